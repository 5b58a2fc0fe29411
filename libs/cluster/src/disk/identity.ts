import { StorageError } from '@coffer/storage';
import type { PeerId } from 'raft-ts';

/** Whose disk this is. Written once when the node joins or begins a cluster. */
export interface DiskIdentity {
  readonly nodeId: string;
  readonly clusterId: string;
  readonly peer: PeerId;
  /** The cluster has removed this node: nothing on the disk counts any more, and it must not vote again. */
  readonly removed?: boolean;
}

/** The form of the whole database; a later one is refused. */
const FORMAT = 1;

export function encodeIdentity(identity: DiskIdentity): Uint8Array {
  return Buffer.from(JSON.stringify({ format: FORMAT, ...identity }));
}

/** @throws StorageError `corrupt` where it cannot be read, `disk` where a newer version wrote it */
export function decodeIdentity(bytes: Uint8Array): DiskIdentity {
  let raw: Partial<DiskIdentity & { format: number }>;
  try {
    raw = JSON.parse(Buffer.from(bytes).toString('utf8')) as typeof raw;
  } catch (cause) {
    throw new StorageError('corrupt', 'the identity on the disk is damaged', { cause });
  }
  const { format, nodeId, clusterId, peer, removed } = raw;
  if (format !== FORMAT) throw new StorageError('disk', 'the folder was written by another version of the server');
  if (typeof nodeId !== 'string' || typeof clusterId !== 'string' || !Number.isSafeInteger(peer)) {
    throw new StorageError('corrupt', 'the identity on the disk is damaged');
  }
  return { nodeId, clusterId, peer: peer as PeerId, ...(removed === true ? { removed } : {}) };
}
