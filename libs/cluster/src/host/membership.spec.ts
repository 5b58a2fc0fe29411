import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { jest } from '@jest/globals';
import { AUTOPILOT_DEFAULTS } from '@coffer/storage';
import type { RaftNode } from '../cluster.ts';
import { put, read, TestCluster, until } from './test-cluster.fixture.ts';

jest.setTimeout(30_000);

let cluster: TestCluster;

beforeEach(async () => {
  cluster = await TestCluster.create();
});

afterEach(async () => {
  await cluster.destroy();
});

const voters = (node: RaftNode): string[] =>
  node
    .peers()
    .filter(({ voter }) => voter)
    .map(({ nodeId }) => nodeId);

const others = (nodes: readonly RaftNode[], leader: RaftNode): RaftNode[] => nodes.filter((node) => node !== leader);

async function readAt(node: RaftNode, key: string): Promise<string | undefined> {
  await node.readBarrier();
  return read(node, key);
}

describe('votes', () => {
  it('are given to members without one, and taken', async () => {
    const [a] = (await cluster.of('a', 'b', 'c')) as [RaftNode];
    await cluster.join('r', true);
    const { membership } = a;
    await membership.promote('r');
    await until(() => voters(a).includes('r'));
    await membership.demote('r');
    expect(voters(a)).toEqual(['a', 'b', 'c']);
    expect(membership.autopilot()?.nonVoters).toEqual(['r']);
    await expect(membership.demote('r')).rejects.toThrow('already a non-voter');
    await expect(membership.promote('b')).rejects.toThrow('not a non-voter');
    await expect(membership.promote('z')).rejects.toThrow('not found in raft configuration');
    await expect(membership.demote('z')).rejects.toThrow('not found in raft configuration');
  });

  it('of the active node are taken by its successor', async () => {
    const nodes = await cluster.of('a', 'b', 'c');
    const old = cluster.leader();
    const name = old.self.nodeId;
    await expect(old.membership.demote(name)).rejects.toMatchObject({ code: 'not-active' });
    const next = await cluster.elected(...others(nodes, old));
    await next.membership.demote(name);
    expect(voters(next)).toHaveLength(2);
    await put(next, 'k', 'v');
    expect(await readAt(old, 'k')).toBe('v');
  });

  it('of the only voter cannot be taken', async () => {
    const a = await cluster.bootstrap('a');
    await cluster.join('r', true);
    await expect(a.membership.demote('a')).rejects.toThrow('the only voter');
    await expect(a.removePeer('a')).rejects.toThrow('the only voter');
    await put(a, 'k', 'v');
  });
});

describe('a removed node', () => {
  it('takes no further part, and knows why after a restart', async () => {
    const nodes = await cluster.of('a', 'b', 'c');
    const leader = cluster.leader();
    const [gone] = others(nodes, leader) as [RaftNode];
    const name = gone.self.nodeId;
    const told = new Promise<void>((resolve) => gone.onRemoved(resolve));
    await leader.removePeer(name);
    // What the removal's entry did not reach is told at the cluster port.
    cluster.nodes.get(name)?.transport.tellRemoved();
    await told;
    expect(gone.health()).toMatchObject({ removed: true, running: false });
    await cluster.close(name);
    const again = await cluster.open(name);
    expect(again.health().removed).toBe(true);
    await expect(again.connect({ caCertificate: '', caKey: undefined as never })).rejects.toThrow(
      'removed from its cluster',
    );
  });

  it('is told once, and comes back with an empty disk', async () => {
    await cluster.of('a', 'b', 'c');
    const [gone, leader] = [cluster.nodes.get('c')?.node as RaftNode, cluster.leader()];
    let count = 0;
    gone.onRemoved(() => count++);
    await leader.removePeer('c');
    for (let again = 0; again < 3; again++) cluster.nodes.get('c')?.transport.tellRemoved();
    await until(() => count > 0);
    await cluster.close('c');
    await rm(cluster.path('c'), { recursive: true });
    await put(leader, 'k', 'v');
    const back = await cluster.join('c');
    expect(await readAt(back, 'k')).toBe('v');
    expect(count).toBe(1);
  });
});

describe('dead members', () => {
  it('are removed when autopilot is told to, and it keeps the minimum', async () => {
    await cluster.of('a', 'b', 'c', 'd');
    const leader = cluster.leader();
    const dying = ['d', 'c', 'b', 'a'].filter((name) => name !== leader.self.nodeId);
    const [first, second] = dying as [string, string];
    const { membership } = leader;
    membership.configure({
      ...AUTOPILOT_DEFAULTS,
      cleanupDeadServers: true,
      deadServerLastContactThresholdSeconds: 1,
      minQuorum: 3,
    });
    await cluster.close(first);
    await until(() => leader.peers().every(({ nodeId }) => nodeId !== first));
    await cluster.close(second);
    await until(() => membership.autopilot()?.servers.some(({ alive }) => !alive) === true);
    expect(leader.peers().some(({ nodeId }) => nodeId === second)).toBe(true);
    await put(leader, 'k', 'v');
  });
});

describe('echoes', () => {
  it('tell the active node of each standby, and only of members', async () => {
    const nodes = await cluster.of('a', 'b', 'c');
    for (const node of nodes) {
      node.membership.introduce({ version: '1' });
      node.membership.echoing(() => ({ hostname: node.self.nodeId, trusts: ['x'], signedBy: 'x' }));
    }
    const leader = cluster.leader();
    await until(() => leader.membership.echoes().size === 2);
    for (const node of others(nodes, leader)) {
      const echo = leader.membership.echoes().get(node.self.nodeId);
      expect(echo).toMatchObject({ version: '1', hostname: node.self.nodeId, trusts: ['x'], signedBy: 'x' });
      expect(node.membership.echoes().size).toBe(0);
    }
    expect(leader.membership.autopilot()?.servers.filter(({ version }) => version === '1')).toHaveLength(3);
  });

  it.each(['', '{', 'null', '[]', '{"version":1}', JSON.stringify({ version: 'x'.repeat(300), hostname: '' })])(
    'that are none (%j) are passed over',
    async (payload) => {
      const leader = await cluster.bootstrap('a');
      const stranger = cluster.network.transport('b');
      const signal = new AbortController().signal;
      await stranger.forward.call(leader.self, 'cluster/echo', Buffer.from(payload), signal);
      expect(leader.membership.echoes().size).toBe(0);
    },
  );
});

describe('raft/peers.json', () => {
  const place = async (name: string, contents: unknown): Promise<string> => {
    const file = join(cluster.path(name), 'raft', 'peers.json');
    await mkdir(join(cluster.path(name), 'raft'), { recursive: true });
    await writeFile(file, typeof contents === 'string' ? contents : JSON.stringify(contents));
    return file;
  };
  const isThere = (file: string): Promise<boolean> =>
    readFile(file).then(
      () => true,
      () => false,
    );

  it('lets two of four go on, with what was acknowledged', async () => {
    await cluster.of('a', 'b', 'c', 'd');
    await put(cluster.leader(), 'k', 'v');
    for (const name of ['a', 'b', 'c', 'd']) await cluster.close(name);
    const peers = [
      { id: 'a', address: 'elsewhere:1' },
      { id: 'b', address: 'b:8201', non_voter: false },
    ];
    const files = [await place('a', peers), await place('b', peers)];
    const nodes = [await cluster.restart('a'), await cluster.restart('b')];
    const leader = await cluster.elected(...nodes);
    expect(voters(leader)).toEqual(['a', 'b']);
    await put(leader, 'k2', 'v');
    for (const node of nodes) expect([await readAt(node, 'k'), await readAt(node, 'k2')]).toEqual(['v', 'v']);
    expect(await Promise.all(files.map(isThere))).toEqual([false, false]);
    // Nobody is mistaken for a node that was lost, nor gets its number.
    const back = await cluster.join('e');
    expect(back.status().raft?.id).toBeGreaterThan(5);
  });

  it('makes a member without a vote of one that is listed so', async () => {
    await cluster.of('a', 'b', 'c');
    for (const name of ['a', 'b', 'c']) await cluster.close(name);
    const peers = [
      { id: 'a', address: 'a:8201' },
      { id: 'b', address: 'b:8201', non_voter: true },
    ];
    for (const name of ['a', 'b']) await place(name, peers);
    const a = await cluster.restart('a');
    const b = await cluster.restart('b');
    await until(() => a.state().role === 'active');
    expect(voters(a)).toEqual(['a']);
    await put(a, 'k', 'v');
    await until(() => b.get('k') !== undefined);
  });

  it('takes effect over a change of members that was not committed', async () => {
    await cluster.of('a', 'b', 'c');
    const leader = cluster.leader();
    const name = leader.self.nodeId;
    for (const each of ['a', 'b', 'c'].filter((node) => node !== name)) cluster.network.isolate(each);
    const { logLastIndex } = leader.status();
    // In its log only, and never agreed on.
    const other = name === 'a' ? 'b' : 'a';
    const doomed = leader.removePeer(other).catch((error: { code: string }) => error.code);
    await until(() => leader.status().logLastIndex > logLastIndex);
    await until(() => leader.state().role === 'standby');
    for (const each of ['a', 'b', 'c']) await cluster.close(each);
    await doomed;
    cluster.network.heal();
    // Both are needed, so the one with the longer log leads, and commits what is in it.
    const left = [name, other].sort();
    for (const each of left) await place(each, left.map((id) => ({ id, address: `${id}:8201` }))); // prettier-ignore
    const nodes = await Promise.all(left.map((each) => cluster.restart(each)));
    const next = await cluster.elected(...nodes);
    expect(next.self.nodeId).toBe(name);
    await put(next, 'k', 'v');
    for (const node of nodes) {
      expect(await readAt(node, 'k')).toBe('v');
      expect(voters(node)).toEqual(left);
    }
  });

  it.each([
    ['{', 'not JSON'],
    ['{}', 'expected a list'],
    ['[]', 'expected a list'],
    [[{ id: 'a' }], 'entry 1: expected "address"'],
    [[{ id: 'a', address: 'nowhere' }], 'entry 1: expected "address"'],
    [[{ id: '', address: 'a:1' }], 'entry 1: expected "id"'],
    [[{ id: 'a', address: 'a:1', non_voter: 'no' }], 'true or false as "non_voter"'],
    [[{ id: 'a', address: 'a:1', non_voter: true }], 'at least one voter'],
    [[{ id: 'b', address: 'b:1' }], 'the id of this node, "a"'],
    [['a:1', null], 'entry 1: expected "id"'],
    [
      [
        { id: 'a', address: 'a:1' },
        { id: 'a', address: 'b:1' },
      ],
      'twice',
    ],
    [
      [
        { id: 'a', address: 'a:1' },
        { id: 'z', address: 'z:1' },
      ],
      '"z" is no member (those are a, b)',
    ],
  ])('that is wrong (%j) is refused and changes nothing', async (contents, complaint) => {
    await cluster.of('a', 'b');
    await put(cluster.leader(), 'k', 'v');
    for (const name of ['a', 'b']) await cluster.close(name);
    const file = await place('a', contents);
    await expect(cluster.open('a')).rejects.toThrow(complaint);
    expect(await isThere(file)).toBe(true);
    await rm(file);
    const nodes = [await cluster.restart('a'), await cluster.restart('b')];
    expect(voters(await cluster.elected(...nodes))).toEqual(['a', 'b']);
    for (const node of nodes) expect(await readAt(node, 'k')).toBe('v');
  });
});
