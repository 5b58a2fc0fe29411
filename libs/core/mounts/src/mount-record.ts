import type { MountEntry, MountTuning } from '@coffer/core-api';

/** Where the entries of mounts are stored: one key a mount, so that no table must fit into one value. */
export const MOUNT_RECORDS = 'core/mounts/';
/** Where moves are remembered. */
export const MOVE_RECORDS = 'core/moves/';

export const mountRecordKey = (uuid: string): string => MOUNT_RECORDS + uuid;

export const NO_TUNING: MountTuning = Object.freeze({
  defaultLeaseTtlSeconds: 0,
  maxLeaseTtlSeconds: 0,
  forceNoCache: false,
});

/** Full prefix of a mount within its namespace. */
export function prefixOf(entry: Pick<MountEntry, 'table' | 'path'>): string {
  return entry.table === 'auth' ? `auth/${entry.path}` : entry.path;
}

/** Where a mount's keys begin in the store. */
export function storagePrefixOf(entry: Pick<MountEntry, 'table' | 'uuid'>): string {
  return entry.table === 'auth' ? `auth/${entry.uuid}/` : `logical/${entry.uuid}/`;
}
