import { jest } from '@jest/globals';
import { silentLog } from '@coffer/kernel';
import { StorageError } from '@coffer/storage';
import type { RaftNode, Transport } from '../cluster.ts';
import { LevelDisk } from '../disk/level-disk.ts';
import { NO_MEMBERS } from '../disk/members.ts';
import { EMPTY_META } from '../disk/meta.codec.ts';
import type { StateView } from '../disk/state-view.ts';
import type { FakeTransport } from './fake-network.fixture.ts';
import type { RaftDriver } from './raft-driver.ts';
import { SnapshotExchange } from './snapshot-exchange.ts';
import { put, read, TestCluster, until } from './test-cluster.fixture.ts';

jest.setTimeout(30_000);

let cluster: TestCluster;

beforeEach(async () => {
  cluster = await TestCluster.create({ logEntriesMax: 20 });
});

afterEach(async () => {
  jest.restoreAllMocks();
  await cluster.destroy();
});

/** Notes what comes of each snapshot that a node sends. */
function outcomesOf(transport: FakeTransport): string[] {
  const outcomes: string[] = [];
  const send = transport.sendSnapshot.bind(transport);
  transport.sendSnapshot = async (...parts) => {
    try {
      await send(...parts);
      outcomes.push('sent');
    } catch (error) {
      outcomes.push('failed');
      throw error;
    }
  };
  return outcomes;
}

/** A leader, and a follower that was away for so long that it needs a snapshot when it comes back. */
async function leaderAndLate(
  valueBytes = 50_000,
): Promise<{ leader: RaftNode; transport: FakeTransport; late: () => Promise<RaftNode> }> {
  await cluster.of('a', 'b', 'c');
  if (cluster.leader().self.nodeId !== 'a') throw new Error('the first node leads');
  await cluster.close('c');
  const leader = cluster.leader();
  for (let at = 0; at < 100; at++) await put(leader, `k/${String(at)}`, 'x'.repeat(valueBytes));
  const transport = cluster.nodes.get('a')?.transport as FakeTransport;
  return { leader, transport, late: () => cluster.restart('c') };
}

const hasAll = async (node: RaftNode): Promise<boolean> => (await read(node, 'k/99')) !== undefined;

describe('a snapshot on its way', () => {
  it('lets go of the state where the peer cannot be reached', async () => {
    let closed = 0;
    const meta = { ...EMPTY_META, applied: 5, appliedTerm: 1 };
    const view = { meta, members: NO_MEMBERS, close: () => Promise.resolve(void closed++) } as unknown as StateView;
    const driver = {
      standing: { term: 1 },
      flush: () => Promise.resolve(),
      need: () => undefined,
      act: () => undefined,
    } as unknown as RaftDriver;
    const exchange = new SnapshotExchange({
      disk: { log: { firstIndex: () => 1 }, view: () => view } as unknown as LevelDisk,
      driver,
      transport: { sendSnapshot: () => Promise.reject(new Error('cannot reach the peer')) } as unknown as Transport,
      log: silentLog,
      self: 1,
      clusterId: 'c',
    });
    exchange.send(2);
    await exchange.ended();
    expect(closed).toBe(1);
  });

  it('is over before the sender’s disk is closed', async () => {
    const { leader, transport, late } = await leaderAndLate();
    let pieces = 0;
    transport.betweenPieces = () => (++pieces < 3 ? Promise.resolve() : new Promise(() => undefined));
    const outcomes = outcomesOf(transport);
    const close = jest.spyOn(LevelDisk.prototype, 'close');
    await late();
    await until(() => pieces >= 3);
    cluster.nodes.delete('a');
    let atClosing: number | undefined;
    close.mockImplementationOnce(function (this: LevelDisk) {
      atClosing = outcomes.length;
      return this.close();
    });
    await leader.close();
    expect(atClosing).toBe(1);
    expect(outcomes).toEqual(['failed']);
  });

  it('is over for the sender, too, when its receiver is sealed in the middle, and comes again', async () => {
    // So little that it is written once, when all of it has arrived.
    const { transport, late } = await leaderAndLate(100);
    const outcomes = outcomesOf(transport);
    let open: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (open = resolve));
    const stage = jest.spyOn(LevelDisk.prototype, 'stage').mockImplementation(() => gate);
    const node = await late();
    await until(() => stage.mock.calls.length > 0);
    const sealed = node.disconnect();
    await until(() => !node.health().running);
    open();
    await sealed;
    await until(() => outcomes.length > 0);
    expect(outcomes).toEqual(['failed']);
    stage.mockRestore();
    await cluster.close('c');
    const again = await late();
    await until(() => again.status().snapshotsInstalled === 1);
    expect(await hasAll(again)).toBe(true);
  });

  it('is sent again after the receiver’s disk failed at the switch-over', async () => {
    const { transport, late } = await leaderAndLate();
    const outcomes = outcomesOf(transport);
    jest.spyOn(LevelDisk.prototype, 'install').mockRejectedValueOnce(new StorageError('disk', 'no space left'));
    const node = await late();
    await until(() => outcomes.includes('sent'));
    expect(outcomes[0]).toBe('failed');
    await node.readBarrier();
    expect(await hasAll(node)).toBe(true);
  });
});
