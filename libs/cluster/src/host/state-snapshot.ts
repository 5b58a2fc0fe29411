import { StorageError } from '@coffer/storage';
import type { PeerInfo, StateSnapshot } from '../cluster.ts';
import type { LevelDisk } from '../disk/level-disk.ts';
import { encodeSnapshot } from '../disk/snapshot.codec.ts';

/** The state as it is on disk, without a restore that may be under way in it. @throws StorageError `not-active` */
export async function stateSnapshot(disk: LevelDisk, peers: readonly PeerInfo[]): Promise<StateSnapshot> {
  const view = disk.view();
  const { applied, appliedTerm, term } = view.meta;
  if (applied === 0) {
    await view.close();
    throw new StorageError('not-active', 'there is no state yet');
  }
  const clusterId = disk.identity?.clusterId ?? '';
  const header = { clusterId, index: applied, term: appliedTerm, leaderTerm: term, members: view.members };
  return {
    clusterId,
    index: applied,
    term: appliedTerm,
    peers,
    contents: () => encodeSnapshot(header, view.pages()),
    close: () => view.close(),
  };
}
