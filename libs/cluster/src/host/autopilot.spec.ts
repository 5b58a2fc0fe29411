/** Nodes with zones and versions, on real disks: what autopilot decides is done, and outlives the leader that was told. */
import { jest } from '@jest/globals';
import { AUTOPILOT_DEFAULTS } from '@coffer/storage';
import type { RaftNode } from '../cluster.ts';
import type { MemberTraits } from '../disk/members.ts';
import { put, read, TestCluster, tls, until } from './test-cluster.fixture.ts';

jest.setTimeout(60_000);

let cluster: TestCluster;

beforeEach(async () => {
  cluster = await TestCluster.create();
});

afterEach(async () => {
  await cluster.destroy();
});

const HASTY = { ...AUTOPILOT_DEFAULTS, lastContactThresholdSeconds: 1, serverStabilizationSeconds: 0.2 };

const tell = (node: RaftNode, traits: MemberTraits): void => {
  node.membership.configure(HASTY);
  node.membership.introduce(traits);
  node.membership.echoing(() => ({ hostname: '', trusts: [], signedBy: '' }));
};

const voters = (): string[] =>
  cluster
    .leader()
    .peers()
    .filter(({ voter }) => voter)
    .map(({ nodeId }) => nodeId);

/** Of an upgrade; undefined where none is under way, and while nobody leads. */
function upgradeStatus(): string | undefined {
  const reports = [...cluster.nodes.values()].map(({ node }) => node.membership.autopilot());
  return reports.find((report) => report !== undefined)?.upgrade?.status;
}

async function join(name: string, traits: MemberTraits): Promise<RaftNode> {
  const node = await cluster.open(name);
  tell(node, traits);
  const { peerId, peers } = await cluster.leader().admit(node.self, { nonVoter: false });
  await node.join({ clusterId: 'test-cluster', peerId, tls, peers }, new AbortController().signal);
  return node;
}

/** Names begin with their zone; where there are several of a zone, the first votes. */
async function zoned(...names: readonly string[]): Promise<void> {
  const [first, ...others] = names as [string, ...string[]];
  tell(await cluster.bootstrap(first), { version: '1', zone: first[0] as string });
  for (const name of others) await join(name, { version: '1', zone: name[0] as string });
}

describe('autopilot', () => {
  it('gives the vote of a lost member to the standby of its zone, also when it was the leader', async () => {
    await zoned('a1', 'b1', 'c1', 'a2', 'b2');
    await until(() => voters().join() === 'a1,b1,c1');
    await put(cluster.leader(), 'k', 'v');
    // What members told is in the list that the next leader has, dead members included.
    await until(() => (cluster.leader().membership.autopilot()?.redundancy?.zones.size ?? 0) === 3);
    expect(cluster.leader().self.nodeId).toBe('a1');
    cluster.network.isolate('a1');
    const rest = ['b1', 'c1', 'a2', 'b2'].map((name) => cluster.nodes.get(name)?.node as RaftNode);
    const next = await cluster.elected(...rest);
    const votersAt = (): string => next.peers().filter(({ voter }) => voter).map(({ nodeId }) => nodeId).join(); // prettier-ignore
    await until(() => votersAt() === 'b1,c1,a2');
    await put(next, 'k', 'w');
    cluster.network.heal();
    const back = cluster.nodes.get('a1')?.node as RaftNode;
    await until(() => read(back, 'k') !== undefined && back.state().role === 'standby');
    await back.readBarrier();
    expect(await read(back, 'k')).toBe('w');
    await until(() => next.membership.autopilot()?.healthy === true);
    expect(next.membership.autopilot()?.servers.find(({ nodeId }) => nodeId === 'a1')).toMatchObject({
      zone: 'a',
      type: 'zone-standby',
      voter: false,
    });
    expect(votersAt()).toBe('b1,c1,a2');
  });

  it('moves lead and votes to members of a newer version', async () => {
    tell(await cluster.bootstrap('a'), { version: '1' });
    for (const name of ['b', 'c']) await join(name, { version: '1' });
    await until(() => voters().length === 3);
    const forever = await cluster.join('r', true);
    tell(forever, { version: '2' });
    for (const name of ['d', 'e']) await join(name, { version: '1', upgradeVersion: '2' });
    await until(() => upgradeStatus() === 'await-new-voters');
    expect(voters()).toEqual(['a', 'b', 'c']);
    await join('f', { version: '2' });
    await until(() => upgradeStatus() === 'await-server-removal');
    expect(voters()).toEqual(['d', 'e', 'f']);
    expect(['d', 'e', 'f']).toContain(cluster.leader().self.nodeId);
    expect(cluster.leader().membership.autopilot()?.upgrade).toMatchObject({
      targetReadReplicas: ['r'],
      otherNonVoters: ['a', 'b', 'c'],
    });
  });

  it('knows zone and version of a member after a restart of all, before it is back', async () => {
    await zoned('a1', 'b1', 'c1');
    await until(
      () =>
        cluster
          .leader()
          .membership.autopilot()
          ?.servers.every(({ zone }) => zone !== undefined) === true,
    );
    // The last of them is written when there is nothing else to do.
    await put(cluster.leader(), 'k', 'v');
    for (const name of ['a1', 'b1', 'c1']) await cluster.close(name);
    const nodes = [await cluster.restart('b1'), await cluster.restart('c1')];
    const leader = await cluster.elected(...nodes);
    expect(leader.membership.autopilot()?.servers).toEqual([
      expect.objectContaining({ nodeId: 'a1', zone: 'a', version: '1', healthy: false }),
      expect.objectContaining({ nodeId: 'b1', zone: 'b' }),
      expect.objectContaining({ nodeId: 'c1', zone: 'c' }),
    ]);
  });
});
