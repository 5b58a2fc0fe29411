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
  };
  const sources = urls.map((leaderApiAddress) => ({ kind: 'address', target: { leaderApiAddress } }) as const);
  const directories = {
    addresses: () => Promise.resolve([]),
    services: () => Promise.resolve([]),
    pods: () => Promise.resolve([]),
    instances: () => Promise.resolve([]),
  };
  const found = new AddressFinder(raft, new JoinTargets(sources, directories, log), { clock: hasty, log });
  found.start();
  return { finder: found, hints, lines };
}

describe('a node without a leader', () => {
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

it.each([
  ['knew a leader just now', { running: true, leaderlessMs: 1999 }],
  ['is sealed', { running: false, leaderlessMs: 9999 }],
])('a node that %s asks nobody', async (_, health) => {
  const { finder: asking, hints } = finder([await node({ node_id: 'b', cluster_addr: 'https://b:1' })], health);
  await new Promise((resolve) => setTimeout(resolve, 150));
  asking.stop();
  expect(hints).toEqual([]);
});
