import { badRequest, definePath, field, listResponse, policyNames } from '@coffer/sdk';
import type { FieldValues, PathDeclaration, RequestContext, Response } from '@coffer/sdk';
import { coreContext } from '@coffer/core-api';
import { describeEntity } from './describe.ts';
import { deleteEntity, entityByAlias, entityByAliasId, entityById, entityByName, putEntity } from './entities.ts';
import { allEntities } from './all-entities.ts';
import { NAME_LENGTH_MAX } from './identity-service.ts';
import type { IdentityService } from './identity-service.ts';
import type { StoredEntity } from './records.ts';

const entityFields = {
  id: field.string('Id of the entity.'),
  name: field.string('Name of the entity.'),
  metadata: field.keyValues('Metadata, as key=value.'),
  policies: field.commaStrings("Policies that the entity's tokens have besides their own."),
  disabled: field.bool('Refuses all requests with tokens of the entity.'),
};
type EntityFields = FieldValues<typeof entityFields>;

/** Makes an entity or changes one; answers its id where it is new. */
async function save(
  service: IdentityService,
  sent: EntityFields,
  before: StoredEntity | undefined,
  context: RequestContext,
): Promise<Response | undefined> {
  const { transaction } = coreContext(context);
  const policies = sent.policies === undefined ? undefined : policyNames(sent.policies);
  if (policies?.includes('root')) throw badRequest('policies cannot contain root');
  if ((sent.name ?? '').length > NAME_LENGTH_MAX) throw badRequest('the name of the entity is too long');
  const start = before ?? service.newEntity(context.request.namespace);
  const entity: StoredEntity = {
    ...start,
    name: sent.name ? sent.name : start.name,
    metadata: sent.metadata ?? start.metadata,
    policies: policies ?? start.policies,
    disabled: sent.disabled ?? start.disabled,
    updatedMs: context.nowMs,
  };
  await putEntity(transaction, entity, before);
  if (before) return undefined;
  return { data: { aliases: null, id: entity.id, name: entity.name } };
}

const readAnswer = (entity: StoredEntity | undefined): Response | undefined =>
  entity ? { data: describeEntity(entity) } : undefined;

/** Entities of the caller's namespace only. */
function ofNamespace(entity: StoredEntity | undefined, context: RequestContext): StoredEntity | undefined {
  return entity?.namespaceId === context.request.namespace.id ? entity : undefined;
}

async function remove(entity: StoredEntity | undefined, context: RequestContext): Promise<undefined> {
  const own = ofNamespace(entity, context);
  if (own) deleteEntity(coreContext(context).transaction, own);
  return Promise.resolve(undefined);
}

async function lookUp(
  sent: {
    readonly id: string | undefined;
    readonly name: string | undefined;
    readonly alias_id: string | undefined;
    readonly alias_name: string | undefined;
    readonly alias_mount_accessor: string | undefined;
  },
  context: RequestContext,
): Promise<StoredEntity | undefined> {
  const { transaction } = coreContext(context);
  if (sent.id) return entityById(transaction, sent.id);
  if (sent.name) return entityByName(transaction, context.request.namespace.id, sent.name);
  if (sent.alias_id) return entityByAliasId(transaction, sent.alias_id);
  if (sent.alias_name && sent.alias_mount_accessor)
    return entityByAlias(transaction, sent.alias_mount_accessor, sent.alias_name);
  if (sent.alias_name || sent.alias_mount_accessor)
    throw badRequest("both 'alias_name' and 'alias_mount_accessor' needs to be set");
  throw badRequest('query parameter not supplied');
}

export function entityPaths(service: () => IdentityService): readonly PathDeclaration<null>[] {
  const tx = (context: RequestContext) => coreContext(context).transaction;
  const byId = async (id: string, context: RequestContext) => ofNamespace(await entityById(tx(context), id), context);
  const byName = (name: string, context: RequestContext) =>
    entityByName(tx(context), context.request.namespace.id, name);
  return [
    definePath('entity', {
      fields: entityFields,
      help: { synopsis: 'Makes or changes an entity.' },
      update: {
        summary: 'Make or change an entity',
        handler: async (_: null, sent, context): Promise<Response | undefined> => {
          const before = sent.id ? await byId(sent.id, context) : undefined;
          if (sent.id && !before) throw badRequest('entity not found from id');
          const named = before ?? (sent.name ? await byName(sent.name, context) : undefined);
          return save(service(), sent, named, context);
        },
      },
    }),
    definePath('entity/id', {
      fields: {},
      help: { synopsis: 'Lists entities by their ids.' },
      list: {
        summary: 'Ids',
        handler: async (_: null, _fields, context): Promise<Response | undefined> => {
          const entities = await allEntities(tx(context), context.request.namespace.id);
          const info = Object.create(null) as Record<string, unknown>;
          for (const entity of entities) {
            info[entity.id] = {
              name: entity.name,
              aliases: entity.aliases.map((alias) => ({
                id: alias.id,
                mount_accessor: alias.mountAccessor,
                mount_path: alias.mountPath,
                mount_type: alias.mountType,
                name: alias.name,
              })),
            };
          }
          return listResponse(
            entities.map(({ id }) => id),
            info,
          );
        },
      },
    }),
    definePath('entity/name', {
      fields: {},
      help: { synopsis: 'Lists entities by their names.' },
      list: {
        summary: 'Names',
        handler: async (_: null, _fields, context) =>
          listResponse((await allEntities(tx(context), context.request.namespace.id)).map(({ name }) => name).sort()),
      },
    }),
    definePath('entity/id/:id', {
      fields: { ...entityFields, id: field.name('Id of the entity.') },
      help: { synopsis: 'Shows, changes or removes an entity.' },
      read: { summary: 'An entity', handler: async (_: null, { id }, context) => readAnswer(await byId(id, context)) },
      update: {
        summary: 'Change an entity',
        handler: async (_: null, sent, context): Promise<Response | undefined> => {
          const before = await byId(sent.id, context);
          if (!before) throw badRequest('entity not found from id');
          return save(service(), sent, before, context);
        },
      },
      delete: {
        summary: 'Remove an entity',
        handler: async (_: null, { id }, context) => remove(await byId(id, context), context),
      },
    }),
    definePath('entity/name/:name', {
      fields: { ...entityFields, name: field.name('Name of the entity.') },
      help: { synopsis: 'Shows, makes, changes or removes an entity by its name.' },
      read: {
        summary: 'An entity',
        handler: async (_: null, { name }, context) => readAnswer(await byName(name, context)),
      },
      update: {
        summary: 'Make or change an entity',
        handler: async (_: null, sent, context): Promise<Response | undefined> => {
          const before = await byName(sent.name, context);
          // The spelling that the entity has stays: the path may have another.
          return save(service(), before ? { ...sent, name: undefined } : sent, before, context);
        },
      },
      delete: {
        summary: 'Remove an entity',
        handler: async (_: null, { name }, context) => remove(await byName(name, context), context),
      },
    }),
    definePath('entity/batch-delete', {
      fields: { entity_ids: field.commaStrings('Ids of the entities.') },
      help: { synopsis: 'Removes several entities.' },
      update: {
        summary: 'Remove entities',
        handler: async (_: null, { entity_ids: ids }, context): Promise<undefined> => {
          if (!ids || ids.length === 0) throw badRequest('missing entity ids to delete');
          for (const id of ids) await remove(await byId(id, context), context);
        },
      },
    }),
    definePath('lookup/entity', {
      fields: {
        id: entityFields.id,
        name: entityFields.name,
        alias_id: field.string('Id of one of its aliases.'),
        alias_name: field.string('Name of one of its aliases; together with alias_mount_accessor.'),
        alias_mount_accessor: field.string('Mount of the alias.'),
      },
      help: { synopsis: 'Finds an entity by id, name or alias.' },
      update: {
        summary: 'An entity',
        runs: 'any',
        handler: async (_: null, sent, context) => readAnswer(ofNamespace(await lookUp(sent, context), context)),
      },
    }),
  ];
}
