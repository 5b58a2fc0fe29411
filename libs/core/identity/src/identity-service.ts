import { whenReady } from '@coffer/kernel';
import type { Clock, MaybePromise, Random } from '@coffer/kernel';
import { RequestError, badRequest } from '@coffer/sdk';
import type { AliasClaim, EntityView, NamespaceRef } from '@coffer/sdk';
import type { Identity, Router } from '@coffer/core-api';
import type { ParsingBackend, Transaction } from '@coffer/storage';
import { entityByAlias, entityById, putEntity } from './entities.ts';
import { ENTITIES } from './records.ts';
import type { StoredAlias, StoredEntity } from './records.ts';

export interface IdentityServiceDeps {
  readonly backend: ParsingBackend;
  readonly router: () => Router;
  readonly clock: Clock;
  readonly random: Random;
}

/** The longest name of an entity or alias, in UTF-16 units: it is part of a key. */
export const NAME_LENGTH_MAX = 1024;

/** Entities and aliases. State is read through the store's cache of parsed values, which every applied change invalidates. */
export class IdentityService implements Identity {
  readonly #deps: IdentityServiceDeps;

  constructor(deps: IdentityServiceDeps) {
    this.#deps = deps;
  }

  /** @throws RequestError `permission-denied` for a disabled entity, `bad-request` for a name that cannot be one */
  async entityForLogin(
    tx: Transaction,
    mountAccessor: string,
    mountType: string,
    alias: AliasClaim,
    namespace: NamespaceRef,
  ): Promise<string> {
    if (alias.name === '' || alias.name.length > NAME_LENGTH_MAX) throw badRequest('the alias has no usable name');
    const known = await entityByAlias(tx, mountAccessor, alias.name);
    if (!known) {
      const entity = this.newEntity(namespace);
      const made = this.newAlias(mountAccessor, mountType, alias.name, alias.metadata ?? null, null);
      await putEntity(tx, { ...entity, aliases: [made] });
      return entity.id;
    }
    if (known.disabled) throw new RequestError('permission-denied');
    return known.id;
  }

  /** The number of entities. */
  async count(): Promise<number> {
    return (await this.#deps.backend.list(ENTITIES)).length;
  }

  entity(entityId: string): MaybePromise<EntityView | undefined> {
    if (entityId === '') return undefined;
    return whenReady(entityById(this.#deps.backend, entityId), (entity) => (entity ? viewOf(entity) : undefined));
  }

  isBarred(entityId: string): MaybePromise<boolean> {
    return whenReady(entityById(this.#deps.backend, entityId), (entity) => entity === undefined || entity.disabled);
  }

  policiesOf(entityId: string, namespace: NamespaceRef): MaybePromise<readonly string[]> {
    if (entityId === '') return [];
    return whenReady(entityById(this.#deps.backend, entityId), (entity) =>
      entity && !entity.disabled && entity.namespaceId === namespace.id ? entity.policies : [],
    );
  }

  versionOf(entityId: string): MaybePromise<string> {
    if (entityId === '') return '';
    return whenReady(entityById(this.#deps.backend, entityId), (entity) =>
      entity ? `${entity.id}:${String(entity.createdMs)}:${String(entity.version)}` : '',
    );
  }

  /** An entity that is not stored yet, with a name made from its id. */
  newEntity(namespace: NamespaceRef): StoredEntity {
    const nowMs = this.#deps.clock.nowMs();
    const id = this.#deps.random.uuid();
    return {
      id,
      namespaceId: namespace.id,
      name: `entity_${id.slice(0, 8)}${id.slice(-4)}`,
      metadata: null,
      policies: [],
      disabled: false,
      aliases: [],
      createdMs: nowMs,
      updatedMs: nowMs,
      version: 0,
    };
  }

  newAlias(
    mountAccessor: string,
    mountType: string,
    name: string,
    metadata: StoredAlias['metadata'],
    customMetadata: StoredAlias['customMetadata'],
  ): StoredAlias {
    const nowMs = this.#deps.clock.nowMs();
    const mount = this.#deps.router().byAccessor(mountAccessor);
    return {
      id: this.#deps.random.uuid(),
      mountAccessor,
      mountType,
      mountPath: mount?.prefix ?? '',
      name,
      metadata,
      customMetadata,
      local: mount?.entry.local ?? false,
      createdMs: nowMs,
      updatedMs: nowMs,
    };
  }
}

function viewOf(entity: StoredEntity): EntityView {
  return {
    id: entity.id,
    name: entity.name,
    metadata: entity.metadata ?? {},
    aliases: entity.aliases.map(({ mountAccessor, name, metadata, customMetadata }) => ({
      mountAccessor,
      name,
      metadata: { ...metadata, ...customMetadata },
    })),
    groups: [],
    policies: entity.policies,
  };
}
