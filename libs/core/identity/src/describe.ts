import type { StoredAlias, StoredEntity } from './records.ts';

const timeText = (ms: number): string => new Date(ms).toISOString();

/** An entity as read and lookup show it. */
export function describeEntity(entity: StoredEntity): Record<string, unknown> {
  return {
    aliases: entity.aliases.map((alias) => describeAlias(entity, alias)),
    creation_time: timeText(entity.createdMs),
    direct_group_ids: [],
    disabled: entity.disabled,
    group_ids: [],
    id: entity.id,
    inherited_group_ids: [],
    last_update_time: timeText(entity.updatedMs),
    merged_entity_ids: null,
    metadata: entity.metadata,
    name: entity.name,
    namespace_id: entity.namespaceId,
    policies: entity.policies,
  };
}

export function describeAlias(entity: StoredEntity, alias: StoredAlias): Record<string, unknown> {
  return {
    canonical_id: entity.id,
    creation_time: timeText(alias.createdMs),
    custom_metadata: alias.customMetadata,
    id: alias.id,
    last_update_time: timeText(alias.updatedMs),
    local: alias.local,
    merged_from_canonical_ids: null,
    metadata: alias.metadata,
    mount_accessor: alias.mountAccessor,
    mount_path: alias.mountPath,
    mount_type: alias.mountType,
    name: alias.name,
    namespace_id: entity.namespaceId,
  };
}

/** An alias in `key_info` of a list. */
export function aliasInfo(entity: StoredEntity, alias: StoredAlias): Record<string, unknown> {
  return {
    canonical_id: entity.id,
    custom_metadata: alias.customMetadata,
    local: alias.local,
    metadata: alias.metadata,
    mount_accessor: alias.mountAccessor,
    mount_path: alias.mountPath,
    mount_type: alias.mountType,
    name: alias.name,
  };
}
