import { badRequest, definePath, field, listResponse } from '@coffer/sdk';
import type { FieldValues, PathDeclaration, RequestContext, Response } from '@coffer/sdk';
import { coreContext } from '@coffer/core-api';
import type { Router } from '@coffer/core-api';
import { allEntities } from './all-entities.ts';
import { aliasInfo, describeAlias } from './describe.ts';
import { entityByAlias, entityByAliasId, entityById, putEntity, sameName } from './entities.ts';
import { NAME_LENGTH_MAX } from './identity-service.ts';
import type { IdentityService } from './identity-service.ts';
import type { StoredAlias, StoredEntity } from './records.ts';

const aliasFields = {
  id: field.string('Id of the alias.'),
  name: field.string('Name by which the mount knows the entity.'),
  mount_accessor: field.string('Accessor of the mount.'),
  canonical_id: field.string('Id of the entity; a new one if left out.', { aliases: ['entity_id'] }),
  custom_metadata: field.keyValues('Metadata of yours, as key=value.'),
};
type AliasFields = FieldValues<typeof aliasFields>;

interface Deps {
  readonly service: () => IdentityService;
  readonly router: () => Router;
}

interface Known {
  readonly entity: StoredEntity;
  readonly alias: StoredAlias;
}

const answer = (entity: StoredEntity, alias: StoredAlias): Response => ({
  data: { canonical_id: entity.id, id: alias.id },
});

/** An alias by its id, of the caller's namespace. */
async function findAlias(id: string, context: RequestContext): Promise<Known | undefined> {
  const entity = await entityByAliasId(coreContext(context).transaction, id);
  const alias = entity?.aliases.find((candidate) => candidate.id === id);
  return entity && alias && entity.namespaceId === context.request.namespace.id ? { entity, alias } : undefined;
}

/** @throws RequestError `bad-request` where the entity has an alias of that mount already */
function refuseSecond(entity: StoredEntity, alias: StoredAlias): void {
  if (entity.aliases.some((other) => other.id !== alias.id && other.mountAccessor === alias.mountAccessor))
    throw badRequest('Alias already exists for requested entity and mount accessor');
}

async function targetOf(sent: AliasFields, context: RequestContext): Promise<StoredEntity | undefined> {
  if (!sent.canonical_id) return undefined;
  const entity = await entityById(coreContext(context).transaction, sent.canonical_id);
  if (entity?.namespaceId !== context.request.namespace.id) throw badRequest('invalid canonical ID');
  return entity;
}

async function change(sent: AliasFields, known: Known, context: RequestContext): Promise<Response> {
  const { transaction } = coreContext(context);
  const target = (await targetOf(sent, context)) ?? known.entity;
  const alias: StoredAlias = {
    ...known.alias,
    name: sent.name ? sent.name : known.alias.name,
    customMetadata: sent.custom_metadata ?? known.alias.customMetadata,
    updatedMs: context.nowMs,
  };
  if (!sameName(alias.name, known.alias.name)) {
    const holder = await entityByAlias(transaction, alias.mountAccessor, alias.name);
    if (holder) throw badRequest('an alias of that name exists for the mount');
  }
  refuseSecond(target, alias);
  const others = known.entity.aliases.filter(({ id }) => id !== alias.id);
  if (target.id === known.entity.id) {
    await putEntity(transaction, { ...target, aliases: [...others, alias], updatedMs: context.nowMs }, known.entity);
  } else {
    await putEntity(transaction, { ...known.entity, aliases: others, updatedMs: context.nowMs }, known.entity);
    await putEntity(transaction, { ...target, aliases: [...target.aliases, alias], updatedMs: context.nowMs }, target);
  }
  return answer(target, alias);
}

async function save(deps: Deps, sent: AliasFields, context: RequestContext): Promise<Response> {
  const { transaction } = coreContext(context);
  if (sent.id) {
    const known = await findAlias(sent.id, context);
    if (known) return change(sent, known, context);
    throw badRequest('invalid alias ID');
  }
  if (!sent.name || !sent.mount_accessor) throw badRequest("'id' or 'mount_accessor' and 'name' must be provided");
  if (sent.name.length > NAME_LENGTH_MAX) throw badRequest('the name of the alias is too long');
  const mount = deps.router().byAccessor(sent.mount_accessor);
  if (mount?.entry.namespace.id !== context.request.namespace.id)
    throw badRequest(`invalid mount accessor "${sent.mount_accessor}"`);
  const holder = await entityByAlias(transaction, sent.mount_accessor, sent.name);
  const existing = holder?.aliases.find(
    (alias) => alias.mountAccessor === sent.mount_accessor && sameName(alias.name, sent.name ?? ''),
  );
  if (holder && existing) return change(sent, { entity: holder, alias: existing }, context);
  const service = deps.service();
  const alias = service.newAlias(sent.mount_accessor, mount.entry.type, sent.name, null, sent.custom_metadata ?? null);
  const target = await targetOf(sent, context);
  if (target) {
    refuseSecond(target, alias);
    await putEntity(transaction, { ...target, aliases: [...target.aliases, alias], updatedMs: context.nowMs }, target);
    return answer(target, alias);
  }
  const entity = { ...service.newEntity(context.request.namespace), aliases: [alias] };
  await putEntity(transaction, entity);
  return answer(entity, alias);
}

export function entityAliasPaths(deps: Deps): readonly PathDeclaration<null>[] {
  return [
    definePath('entity-alias', {
      fields: aliasFields,
      help: { synopsis: 'Makes or changes an alias.' },
      update: {
        summary: 'Make or change an alias',
        handler: (_: null, sent, context) => save(deps, sent, context),
      },
    }),
    definePath('entity-alias/id', {
      fields: {},
      help: { synopsis: 'Lists aliases.' },
      list: {
        summary: 'Ids of aliases',
        handler: async (_: null, _fields, context): Promise<Response | undefined> => {
          const entities = await allEntities(coreContext(context).transaction, context.request.namespace.id);
          const info = Object.create(null) as Record<string, unknown>;
          for (const entity of entities) for (const alias of entity.aliases) info[alias.id] = aliasInfo(entity, alias);
          return listResponse(Object.keys(info).sort(), info);
        },
      },
    }),
    definePath('entity-alias/id/:id', {
      fields: { ...aliasFields, id: field.name('Id of the alias.') },
      help: { synopsis: 'Shows, changes or removes an alias.' },
      read: {
        summary: 'An alias',
        handler: async (_: null, { id }, context): Promise<Response | undefined> => {
          const known = await findAlias(id, context);
          return known ? { data: describeAlias(known.entity, known.alias) } : undefined;
        },
      },
      update: { summary: 'Change an alias', handler: (_: null, sent, context) => save(deps, sent, context) },
      delete: {
        summary: 'Remove an alias',
        handler: async (_: null, { id }, context): Promise<undefined> => {
          const known = await findAlias(id, context);
          if (!known) return;
          const { transaction } = coreContext(context);
          const aliases = known.entity.aliases.filter((alias) => alias.id !== id);
          await putEntity(transaction, { ...known.entity, aliases, updatedMs: context.nowMs }, known.entity);
        },
      },
    }),
  ];
}
