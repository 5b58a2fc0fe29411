import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { systemClock, type Clock } from '@coffer/kernel';
import { recordingLog, until } from '../transport/test-transport.fixture.ts';
import { AddressFinder, WHEREABOUTS_PATH } from './address-finder.ts';
import { JoinTargets } from './join-targets.ts';

/** Timers run ever so fast. */
const hasty: Clock = {
  ...systemClock,
  every: (periodMs, run) => systemClock.every(periodMs / 100, run),
};

const servers: Server[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** A node that answers about itself. */
async function node(answer: unknown, status = 200): Promise<string> {
  const server = createServer((request, response) => {
    const found = request.url === `/v1/${WHEREABOUTS_PATH}` && request.method === 'GET';
    response.writeHead(found ? status : 404, { 'content-type': 'application/json' });
    response.end(typeof answer === 'string' ? answer : JSON.stringify({ data: answer }));
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function finder(urls: readonly string[], health: { running: boolean; leaderlessMs: number }) {
  const { log, lines } = recordingLog();
  const hints: string[] = [];
  const raft = {
    health: () =>
      ({
        disk: 'ok',
        diskWriteMs: 0,
        removed: false,
        leaderKnown: false,
        clockSkewMs: 0,
        clockWrong: false,
        ...health,
      }) as const,
    hint: (nodeId: string, address: string) => void hints.push(`${nodeId} ${address}`),
    clusterId: () => 'ours',
    self: { nodeId: 'a', apiAddress: 'http://a', clusterAddress: 'https://a:1' },
  };
  const sources = urls.map((leaderApiAddress) => ({ kind: 'address', target: { leaderApiAddress } }) as const);
  const directories = {
    addresses: () => Promise.resolve([]),
    services: () => Promise.resolve([]),
    pods: () => Promise.resolve([]),
    instances: () => Promise.resolve([]),
  };
  const targets = (...named: readonly string[]): JoinTargets =>
    new JoinTargets(
      named.map((leaderApiAddress) => ({ kind: 'address', target: { leaderApiAddress } })),
      directories,
      log,
    );
  const found = new AddressFinder(raft, new JoinTargets(sources, directories, log), { clock: hasty, log });
  found.start();
  return { finder: found, hints, lines, targets };
}

describe('a node without a leader', () => {
  it('learns from whom it asks where the leader is, which has no way to find it', async () => {
    const url = await node({
      node_id: 'b',
      cluster_addr: 'https://b:1',
      cluster_id: 'ours',
      leader_node_id: 'c',
      leader_cluster_addr: 'https://c:2',
    });
    const { finder: asking, hints } = finder([url], { running: true, leaderlessMs: 2000 });
    await until(() => hints.includes('c https://c:2'));
    asking.stop();
    expect(new Set(hints)).toEqual(new Set(['b https://b:1', 'c https://c:2']));
  });

  it('asks the nodes of retry_join where they are, whoever of them answers', async () => {
    const urls = [
      await node({ node_id: 'b', cluster_addr: 'https://b:1', cluster_id: 'ours' }),
      await node('<html>', 502),
      await node({ node_id: 'x' }),
      'http://127.0.0.1:1',
      // It was sealed before it ever knew its cluster.
      await node({ node_id: 'c', cluster_addr: 'https://c:1', cluster_id: '' }),
    ];
    const { finder: asking, hints } = finder(urls, { running: true, leaderlessMs: 2000 });
    await until(() => hints.includes('b https://b:1') && hints.includes('c https://c:1'));
    asking.stop();
    expect(new Set(hints)).toEqual(new Set(['b https://b:1', 'c https://c:1']));
  });

  it('passes over a node of another cluster, and says so once', async () => {
    const other = await node({ node_id: 'b', cluster_addr: 'https://b:1', cluster_id: 'theirs' });
    const ours = await node({ node_id: 'c', cluster_addr: 'https://c:1', cluster_id: 'ours' });
    const { finder: asking, hints, lines } = finder([other, ours], { running: true, leaderlessMs: 2000 });
    await until(() => hints.length > 2);
    asking.stop();
    expect(new Set(hints)).toEqual(new Set(['c https://c:1']));
    expect(lines.filter(({ message }) => message.includes('another cluster'))).toHaveLength(1);
  });
});

describe('a member that is told of another node', () => {
  const known = { running: true, leaderlessMs: 0 };
  const lost = { running: true, leaderlessMs: 9999 };

  it('learns where that is, at once', async () => {
    const { finder: told, hints, targets } = finder([], known);
    await told.follow(targets(await node({ node_id: 'b', cluster_addr: 'https://b:1', cluster_id: 'ours' })), false);
    told.stop();
    expect(hints).toEqual(['b https://b:1']);
  });

  it('goes on asking it while there is no leader, also what did not answer if it is to be tried again', async () => {
    const { finder: told, hints, targets } = finder([], lost);
    const late = await node({ node_id: 'b', cluster_addr: 'https://b:1', cluster_id: 'ours' });
    await told.follow(targets(late, 'http://127.0.0.1:1'), false);
    await told.follow(targets('http://127.0.0.1:1'), true);
    hints.length = 0;
    await until(() => hints.length > 2);
    told.stop();
    expect(new Set(hints)).toEqual(new Set(['b https://b:1']));
  });

  it('keeps while it is sealed what it was told', async () => {
    const { finder: told, hints, targets } = finder([], lost);
    told.stop();
    await told.follow(targets(await node({ node_id: 'b', cluster_addr: 'https://b:1', cluster_id: 'ours' })), false);
    hints.length = 0;
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(hints).toEqual([]);
    told.start();
    await until(() => hints.length > 0);
    told.stop();
  });

  it.each([
    [
      'of another cluster',
      { node_id: 'b', cluster_addr: 'https://b:1', cluster_id: 'theirs' },
      'the node asked to another one',
    ],
    ['of no cluster', { node_id: 'b', cluster_addr: 'https://b:1', cluster_id: '' }, 'the node asked to none'],
    ['that is itself', { node_id: 'a', cluster_addr: 'https://a:1', cluster_id: 'ours' }, 'that is this node itself'],
    ['that makes no sense', { node_id: 7 }, '"node_id" must be a text'],
  ])('refuses one %s, and does not ask it again', async (_, answer, why) => {
    const { finder: told, hints, targets } = finder([], lost);
    await expect(told.follow(targets(await node(answer)), false)).rejects.toThrow(why);
    await new Promise((resolve) => setTimeout(resolve, 100));
    told.stop();
    expect(hints).toEqual([]);
  });

  it('asks for one at a time', async () => {
    const { finder: told, targets } = finder([], known);
    const url = await node({ node_id: 'b', cluster_addr: 'https://b:1', cluster_id: 'ours' });
    const first = told.follow(targets(url), false);
    await expect(told.follow(targets(url), false)).rejects.toThrow('another node is being asked');
    await first;
    await told.follow(targets(url), false);
    told.stop();
  });
});

it.each([
  ['knew a leader just now', { running: true, leaderlessMs: 1999 }],
  ['is sealed', { running: false, leaderlessMs: 9999 }],
])('a node that %s asks nobody', async (_, health) => {
  const { finder: asking, hints } = finder([await node({ node_id: 'b', cluster_addr: 'https://b:1' })], health);
  await new Promise((resolve) => setTimeout(resolve, 150));
  asking.stop();
  expect(hints).toEqual([]);
});
