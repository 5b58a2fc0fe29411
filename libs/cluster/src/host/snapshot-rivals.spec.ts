import { StorageError } from '@coffer/storage';
import type { SnapshotMeta } from 'raft-ts';
import type { LevelDisk } from '../disk/level-disk.ts';
import type { Transport } from '../cluster.ts';
import { recordingLog } from '../transport/test-transport.fixture.ts';
import type { RaftDriver } from './raft-driver.ts';
import { SnapshotExchange } from './snapshot-exchange.ts';

const membership = { voters: [1, 2, 3], votersOutgoing: [], learners: [], learnersNext: [] };
const meta: SnapshotMeta = { index: 12, term: 3, membership };

/** Contents of which nothing ever comes. */
const never = (): AsyncIterable<Uint8Array> => ({
  [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => undefined) }),
});

function exchange(): { readonly exchange: SnapshotExchange; leads(peer: number): void; readonly begun: () => number } {
  let leader = 0;
  let begun = 0;
  const disk = {
    beginStaging: () => {
      begun += 1;
      return Promise.resolve();
    },
  } as unknown as LevelDisk;
  const driver = {
    get standing() {
      return { role: 'follower', leader, term: 3 };
    },
  } as unknown as RaftDriver;
  const made = new SnapshotExchange({
    disk,
    driver,
    transport: {} as Transport,
    log: recordingLog().log,
    self: 2,
    clusterId: 'c',
  });
  return { exchange: made, leads: (peer) => void (leader = peer), begun: () => begun };
}

describe('a follower that is sent snapshots', () => {
  it('takes none of a node that does not lead, where it knows who does', async () => {
    const { exchange: follower, leads, begun } = exchange();
    leads(1);
    await expect(follower.receive(3, meta, never())).rejects.toEqual(
      new StorageError('conflict', 'a snapshot that is not of the leader'),
    );
    expect(begun()).toBe(0);
  });

  it('takes one at a time, and gives up one that never ends when the leader sends another', async () => {
    const { exchange: follower, leads, begun } = exchange();
    const endless = follower.receive(3, meta, never());
    const gaveUp = expect(endless).rejects.toThrow('the leader sends another snapshot');
    await expect(follower.receive(1, meta, never())).rejects.toThrow('another snapshot is being received');
    leads(1);
    await expect(follower.receive(1, meta, never())).rejects.toThrow('another snapshot is being received');
    await gaveUp;
    // The leader tries again.
    void follower.receive(1, meta, never());
    await Promise.resolve();
    expect(begun()).toBe(2);
    await expect(follower.receive(1, meta, never())).rejects.toThrow('another snapshot is being received');
  });
});
