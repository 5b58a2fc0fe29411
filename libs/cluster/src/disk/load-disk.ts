import { StorageError } from '@coffer/storage';
import { IDENTITY_KEY, MEMBERS_KEY, META_KEY } from './disk-keys.ts';
import { decodeIdentity, type DiskIdentity } from './identity.ts';
import { CHUNK_KEYS, LogStore } from './log-store.ts';
import { decodeMembers, NO_MEMBERS, type Members } from './members.ts';
import { decodeMeta, EMPTY_META, type DiskMeta } from './meta.codec.ts';
import type { Level } from './open-level.ts';

/** What is in a database. */
export interface Found {
  readonly identity: DiskIdentity | undefined;
  readonly meta: DiskMeta;
  readonly members: Members;
  readonly log: LogStore;
}

/**
 * Reads everything but the state.
 *
 * @throws StorageError `corrupt`, or `disk` where it belongs to another node; what LevelDB says
 */
export async function loadDisk(db: Level, nodeId: string): Promise<Found> {
  const identityBytes = db.getSync(IDENTITY_KEY);
  const identity = identityBytes === undefined ? undefined : decodeIdentity(identityBytes);
  if (identity !== undefined && identity.nodeId !== nodeId) {
    throw new StorageError('disk', `the storage folder belongs to node ${identity.nodeId}, this is ${nodeId}`);
  }
  const metaBytes = db.getSync(META_KEY);
  const meta = metaBytes === undefined ? EMPTY_META : decodeMeta(metaBytes);
  const membersBytes = db.getSync(MEMBERS_KEY);
  const members = membersBytes === undefined ? NO_MEMBERS : decodeMembers(membersBytes);
  const log = new LogStore((key) => db.getSync(key), meta.cut, meta.cutTerm);
  for await (const value of db.values(CHUNK_KEYS)) log.load(value);
  if (meta.applied > log.lastIndex() || meta.applied < meta.cut) {
    throw new StorageError('corrupt', 'the log does not reach to the applied index');
  }
  return { identity, meta, members, log };
}
