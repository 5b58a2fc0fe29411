import type { AppliedBatch } from '@coffer/storage';
import type { RaftNode } from '../cluster.ts';
import type { DiskChange } from '../disk/disk-change.ts';
import { LevelDisk } from '../disk/level-disk.ts';
import { epochOf, impatientClock, put, read, TestCluster, until } from './test-cluster.fixture.ts';

import { jest } from '@jest/globals';

jest.setTimeout(30_000);

let cluster: TestCluster;

beforeEach(async () => {
  cluster = await TestCluster.create();
});

afterEach(async () => {
  await cluster.destroy();
});

const others = (nodes: readonly RaftNode[], leader: RaftNode): RaftNode[] => nodes.filter((node) => node !== leader);

async function readAt(node: RaftNode, key: string): Promise<string | undefined> {
  await node.readBarrier();
  return read(node, key);
}

describe('three nodes', () => {
  it('have the same state, and a standby reads what was acknowledged before', async () => {
    const nodes = await cluster.of('a', 'b', 'c');
    const leader = cluster.leader();
    for (let at = 0; at < 20; at++) {
      await put(leader, 'k', `${at}`);
      for (const node of nodes) expect(await readAt(node, 'k')).toBe(`${at}`);
    }
    expect(leader.peers().map(({ nodeId, voter }) => [nodeId, voter])).toEqual([
      ['a', true],
      ['b', true],
      ['c', true],
    ]);
    for (const node of others(nodes, leader)) expect(node.state()).toEqual({ role: 'standby', leader: leader.self });
  });

  it('tell standbys what was applied, in order', async () => {
    const nodes = await cluster.of('a', 'b', 'c');
    const [, standby] = nodes as [RaftNode, RaftNode];
    const seen: AppliedBatch[] = [];
    standby.subscribe((batch) => seen.push(batch));
    const writes = await Promise.all(Array.from({ length: 50 }, (_, at) => put(cluster.leader(), `k/${at}`, 'v')));
    await until(() => seen.length >= 50);
    expect(seen.map(({ index }) => index)).toEqual(writes.map(({ index }) => index));
    expect(seen[7]?.keys).toEqual(['k/7']);
  });

  it('answer many reads on a standby', async () => {
    const nodes = await cluster.of('a', 'b', 'c');
    const [leader, standby] = nodes as [RaftNode, RaftNode];
    await put(leader, 'k', 'v');
    await Promise.all(Array.from({ length: 1000 }, () => standby.readBarrier()));
    expect(await read(standby, 'k')).toBe('v');
  });

  it('elect another when the leader dies, and lose nothing', async () => {
    const nodes = await cluster.of('a', 'b', 'c');
    const old = cluster.leader();
    await put(old, 'k', 'before');
    cluster.network.isolate(old.self.nodeId);
    const leader = await cluster.elected(...others(nodes, old));
    expect(await readAt(leader, 'k')).toBe('before');
    await put(leader, 'k', 'after');
    await until(() => old.state().role === 'standby');
    await expect(put(old, 'k', 'x')).rejects.toThrow('not active');
    cluster.network.heal();
    await until(() => old.get('k')?.toString() === 'after');
    expect(await readAt(old, 'k')).toBe('after');
  });

  it('hand over the lead without losing a write', async () => {
    const nodes = await cluster.of('a', 'b', 'c');
    const old = cluster.leader();
    const epoch = epochOf(old);
    const outcomes: string[] = [];
    const writing = Array.from({ length: 200 }, async (_, at) => {
      await new Promise((resolve) => setTimeout(resolve, at / 2));
      await old.write({ epoch, ops: [{ kind: 'put', key: `k/${at}`, value: Buffer.from('v') }] }).then(
        () => outcomes.push(`done ${at}`),
        (error: { code: string }) => outcomes.push(`${error.code} ${at}`),
      );
    });
    await old.stepDown();
    expect(old.state().role).toBe('standby');
    const leader = await cluster.elected(...others(nodes, old));
    await Promise.all(writing);
    await leader.readBarrier();
    for (const outcome of outcomes) {
      const [code, at] = outcome.split(' ') as [string, string];
      expect(['done', 'epoch-lost', 'not-active']).toContain(code);
      expect(await read(leader, `k/${at}`)).toBe(code === 'done' ? 'v' : undefined);
    }
  });

  it('learn from the log what became of writes of a leader that was cut off', async () => {
    const nodes = await cluster.of('a', 'b', 'c');
    const old = cluster.leader();
    cluster.network.isolate(old.self.nodeId);
    const lost = put(old, 'k', 'of the old').then(
      () => 'done',
      (error: { code: string }) => error.code,
    );
    const leader = await cluster.elected(...others(nodes, old));
    await put(leader, 'k', 'of the new');
    await put(leader, 'k2', 'of the new');
    cluster.network.heal();
    expect(await lost).toBe('epoch-lost');
    expect(await readAt(old, 'k')).toBe('of the new');
  });

  it('confirm writes that a former leader had replicated', async () => {
    const nodes = await cluster.of('a', 'b', 'c');
    const old = cluster.leader();
    // Followers store the entry, but their word of it never reaches the leader.
    const oldPeer = old.status().raft?.id;
    cluster.network.lose = (message) => message.to === oldPeer && message.kind === 'append-reply';
    const { logLastIndex } = old.status();
    const write = put(old, 'k', 'v');
    await until(() => old.status().logLastIndex > logLastIndex);
    await until(() => others(nodes, old).every((node) => node.status().logLastIndex === old.status().logLastIndex));
    cluster.network.isolate(old.self.nodeId);
    await cluster.elected(...others(nodes, old));
    cluster.network.lose = () => false;
    cluster.network.heal();
    await expect(write).resolves.toMatchObject({ index: expect.any(Number) });
    expect(await readAt(old, 'k')).toBe('v');
  });

  it('leave a write in doubt only where the node stays cut off', async () => {
    cluster.clock = impatientClock;
    const nodes = await cluster.of('a', 'b', 'c');
    const old = cluster.leader();
    cluster.network.isolate(old.self.nodeId);
    const lost = put(old, 'k', 'v');
    await cluster.elected(...others(nodes, old));
    await expect(lost).rejects.toMatchObject({ code: 'in-doubt' });
  });

  it('refuse reads where no leader confirms them', async () => {
    cluster.clock = impatientClock;
    const nodes = await cluster.of('a', 'b', 'c');
    const [standby] = others(nodes, cluster.leader()) as [RaftNode];
    cluster.network.isolate(standby.self.nodeId);
    await expect(standby.readBarrier()).rejects.toMatchObject({ code: expect.stringMatching('no-leader|deadline') });
    const controller = new AbortController();
    const read = standby.readBarrier(controller.signal);
    controller.abort();
    await expect(read).rejects.toMatchObject({ code: 'deadline' });
  });

  it('survive a restart of all', async () => {
    await cluster.of('a', 'b', 'c');
    await put(cluster.leader(), 'k', 'v');
    for (const name of ['a', 'b', 'c']) await cluster.close(name);
    const nodes = await Promise.all(['a', 'b', 'c'].map((name) => cluster.restart(name)));
    const leader = await cluster.elected(...nodes);
    await put(leader, 'k2', 'v');
    for (const node of nodes) expect([await readAt(node, 'k'), await readAt(node, 'k2')]).toEqual(['v', 'v']);
  });

  it('do not wait out the timeout when the leader refuses connections', async () => {
    const nodes = await cluster.of('a', 'b', 'c');
    const old = cluster.leader();
    await cluster.nodes.get(old.self.nodeId)?.transport.close();
    const leader = await cluster.elected(...others(nodes, old));
    await put(leader, 'k', 'v');
    expect(await read(leader, 'k')).toBe('v');
  });
});

describe('a disk that hangs', () => {
  it('makes the leader stand down, and no write of its is told as done twice', async () => {
    const nodes = await cluster.of('a', 'b', 'c');
    const old = cluster.leader();
    const states: string[] = [];
    old.onChange(({ role }) => states.push(role));
    const { commit } = LevelDisk.prototype;
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    const spy = jest.spyOn(LevelDisk.prototype, 'commit').mockImplementationOnce(async function (
      this: LevelDisk,
      change: DiskChange,
    ) {
      await released;
      return commit.call(this, change);
    });
    const hanging = put(old, 'k', 'of the old').then(
      () => 'done',
      (error: { code: string }) => error.code,
    );
    const leader = await cluster.elected(...others(nodes, old));
    await put(leader, 'k2', 'of the new');
    await until(() => old.state().role === 'standby');
    expect(old.health().disk).toBe('stuck');
    expect(old.health().diskWriteMs).toBeGreaterThan(0);
    release();
    const outcome = await hanging;
    expect(await readAt(leader, 'k')).toBe(outcome === 'done' ? 'of the old' : undefined);
    expect(await readAt(old, 'k2')).toBe('of the new');
    await until(() => old.health().disk === 'ok');
    expect(states[0]).toBe('standby');
    expect(states).not.toContain('active');
    spy.mockRestore();
  });
});

describe('the disk of a standby that hangs', () => {
  it('takes nothing of what it knows: it still sends on what is not for it when the disk works again', async () => {
    const nodes = await cluster.of('a', 'b', 'c');
    const leader = cluster.leader();
    const [standby] = others(nodes, leader) as [RaftNode];
    const known = { role: 'standby', leader: leader.self };
    await until(() => standby.state().role === 'standby' && 'leader' in standby.state());
    const { commit } = LevelDisk.prototype;
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    const spy = jest.spyOn(LevelDisk.prototype, 'commit').mockImplementation(async function (
      this: LevelDisk,
      change: DiskChange,
    ) {
      if (this.identity?.nodeId === standby.self.nodeId) await released;
      return commit.call(this, change);
    });
    await put(leader, 'k', 'v');
    await until(() => standby.health().disk === 'stuck');
    expect(standby.state()).toEqual(known);
    release();
    await until(() => standby.health().disk === 'ok');
    spy.mockRestore();
    expect(await readAt(standby, 'k')).toBe('v');
    expect(standby.state()).toEqual(known);
  });
});

describe('a follower that lags', () => {
  it('gets a snapshot while writes go on', async () => {
    cluster = await recreated({ logEntriesMax: 20 });
    const nodes = await cluster.of('a', 'b', 'c');
    const leader = cluster.leader();
    const [lagging] = others(nodes, leader) as [RaftNode];
    const installed = lagging.status().snapshotsInstalled;
    const everything: number[] = [];
    lagging.subscribe((batch) => {
      if (batch.everything === true) everything.push(batch.index);
    });
    cluster.network.isolate(lagging.self.nodeId);
    for (let at = 0; at < 300; at++) await put(leader, `k/${at}`, `v${at}`);
    await leader.write({ epoch: epochOf(leader), ops: [{ kind: 'delete', key: 'k/0' }] });
    let during = 0;
    const sender = cluster.nodes.get(leader.self.nodeId)?.transport;
    if (sender !== undefined) {
      sender.betweenPieces = async () => {
        await put(leader, `during/${during++}`, 'v');
      };
    }
    cluster.network.heal();
    await until(() => everything.length > 0);
    expect(await readAt(lagging, 'k/299')).toBe('v299');
    expect(await readAt(lagging, 'k/0')).toBeUndefined();
    expect(during).toBeGreaterThan(0);
    expect(await lagging.list('during/')).toHaveLength(during);
    expect(lagging.status().snapshotsInstalled).toBe(installed + 1);
    await until(() => leader.status().snapshotsSent > 0);
  });

  it('starts again when a snapshot is cut off, also across a restart', async () => {
    cluster = await recreated({ logEntriesMax: 20 });
    const nodes = await cluster.of('a', 'b', 'c');
    const leader = cluster.leader();
    const [lagging] = others(nodes, leader) as [RaftNode];
    const name = lagging.self.nodeId;
    cluster.network.isolate(name);
    for (let at = 0; at < 100; at++) await put(leader, `k/${at}`, 'v');
    let pieces = 0;
    const sender = cluster.nodes.get(leader.self.nodeId)?.transport;
    if (sender === undefined) throw new Error('no such node');
    sender.betweenPieces = () => {
      if (++pieces === 3) cluster.network.isolate(name);
      return Promise.resolve();
    };
    cluster.network.heal();
    await until(() => pieces >= 3);
    await cluster.close(name);
    cluster.network.heal();
    const again = await cluster.restart(name);
    expect(await readAt(again, 'k/99')).toBe('v');
    expect(await again.list('k/')).toHaveLength(100);
  });
});

describe('members', () => {
  it('join as learners that stay so when asked to', async () => {
    const leader = await cluster.bootstrap('a');
    await put(leader, 'k', 'v');
    const replica = await cluster.join('r', true);
    expect(await readAt(replica, 'k')).toBe('v');
    expect(leader.peers().map(({ voter }) => voter)).toEqual([true, false]);
    expect(leader.readBarrier()).toBeUndefined();
  });

  it('get numbers of their own when they join at the same time', async () => {
    const leader = await cluster.bootstrap('a');
    const joiners = ['b', 'c', 'd'].map((name) => ({
      ...leader.self,
      nodeId: name,
      clusterAddress: `https://${name}`,
    }));
    const grants = await Promise.all(joiners.map((joiner) => leader.admit(joiner, { nonVoter: true })));
    expect(new Set(grants.map(({ peerId }) => peerId)).size).toBe(3);
    const last = grants.find(({ peers }) => peers.length === 4);
    for (const [index, { nodeId }] of joiners.entries())
      expect(last?.peers.find((peer) => peer.nodeId === nodeId)?.peerId).toBe(grants[index]?.peerId);
  });

  it('are removed, and go on without the removed', async () => {
    const nodes = await cluster.of('a', 'b', 'c');
    const leader = cluster.leader();
    const [gone] = others(nodes, leader) as [RaftNode];
    await leader.removePeer(gone.self.nodeId);
    await leader.removePeer('nobody');
    expect(leader.peers()).toHaveLength(2);
    await cluster.close(gone.self.nodeId);
    await put(leader, 'k', 'v');
    await expect(leader.removePeer(leader.self.nodeId)).rejects.toMatchObject({ code: 'not-active' });
    for (const node of others(nodes, leader).filter((node) => node !== gone)) {
      await expect(node.removePeer('a')).rejects.toMatchObject({ code: 'not-active' });
    }
  });

  it('come again under a new number after losing the disk, but not while they live', async () => {
    await cluster.of('a', 'b', 'c');
    const leader = cluster.leader();
    await expect(leader.admit({ ...leader.self, nodeId: 'b' }, { nonVoter: false })).rejects.toMatchObject({
      code: 'conflict',
    });
    await cluster.close('b');
    const { rm } = await import('node:fs/promises');
    await rm(cluster.path('b'), { recursive: true });
    await until(() => leader.status().raft?.progress.find(({ peer }) => peer === 2)?.recentlyActive === false);
    await put(leader, 'k', 'v');
    const again = await cluster.join('b');
    expect(await readAt(again, 'k')).toBe('v');
    expect(again.status().raft?.id).toBe(4);
  });

  it('tell the others when they have moved', async () => {
    const [leader] = (await cluster.of('a', 'b', 'c')) as [RaftNode];
    await cluster.close('c');
    await cluster.restart('c', { clusterAddress: 'https://elsewhere:8201' });
    await until(() => leader.peers().some(({ address }) => address === 'elsewhere:8201'));
    const [peer] = [...(cluster.nodes.get('a')?.transport.peers.values() ?? [])].filter(({ nodeId }) => nodeId === 'c');
    expect(peer?.clusterAddress).toBe('https://elsewhere:8201');
  });
});

async function recreated(overrides: { readonly logEntriesMax: number }): Promise<TestCluster> {
  await cluster.destroy();
  return TestCluster.create(overrides);
}
