import { systemClock, systemRandom } from '@coffer/kernel';
import type { NodeAddress } from '@coffer/storage';
import { AddressBook } from './address-book.ts';
import { bundleOf, certificatesOf, createClusterTls, fingerprintOf } from './cluster-ca.ts';
import { addressAt, freePort, heartbeat, TestCluster, until } from './test-transport.fixture.ts';
import type { TestNode } from './test-transport.fixture.ts';
import type { ClusterTls } from '../cluster.ts';

let cluster: TestCluster;

beforeEach(async () => {
  cluster = await TestCluster.create();
});

afterEach(async () => {
  await cluster.close();
});

const rounds = (node: TestNode): number[] =>
  node.got.flatMap((message) => (message.kind === 'heartbeat' ? [message.round] : []));

/** Sends until it arrives: what is sent without a connection is lost. */
async function reaches(from: TestNode, to: TestNode, numbers: readonly [number, number], round: number): Promise<void> {
  await until(() => {
    from.transport.send([heartbeat(numbers[0], numbers[1], round)]);
    return rounds(to).includes(round);
  });
}

/** A list in which everybody is where nobody listens. */
async function stale(...nodes: readonly TestNode[]): Promise<Map<number, NodeAddress>> {
  const list = new Map<number, NodeAddress>();
  for (const [at, { address }] of nodes.entries()) list.set(at + 1, addressAt(address.nodeId, await freePort()));
  return list;
}

describe('nodes that moved', () => {
  it('find each other by one hint to one of them, for messages and for requests', async () => {
    const [a, b] = [await cluster.node('a'), await cluster.node('b')];
    const list = await stale(a, b);
    for (const { transport } of [a, b]) transport.setPeers(list);
    b.transport.forward.serve('ask', (payload) => Promise.resolve(payload));
    a.transport.hint('b', b.address.clusterAddress);
    await reaches(a, b, [1, 2], 1);
    // It learnt from the other's hello where that is.
    await reaches(b, a, [2, 1], 2);
    const signal = new AbortController().signal;
    const answer = await a.transport.forward.call(list.get(2) as NodeAddress, 'ask', Buffer.from('x'), signal);
    expect(Buffer.from(answer).toString()).toBe('x');
  });

  it('are not taken for others, whoever is at a hinted address', async () => {
    const [a, b, c] = [await cluster.node('a'), await cluster.node('b'), await cluster.node('c')];
    const list = await stale(a, b, c);
    a.transport.setPeers(list);
    c.transport.setPeers(list);
    a.transport.hint('b', c.address.clusterAddress);
    await until(() => a.lines.some(({ fields }) => String(fields?.['reason']).includes('of another node')));
    a.transport.hint('b', 'https://127.0.0.1:1');
    a.transport.hint('b', 'not an address');
    a.transport.hint('b', b.address.clusterAddress);
    b.transport.setPeers(list);
    await reaches(a, b, [1, 2], 7);
    expect(rounds(c)).toEqual([]);
  });

  it('are reached where the list says, too', async () => {
    const [a, b] = [await cluster.node('a'), await cluster.node('b')];
    cluster.introduce(a, b);
    a.transport.hint('b', 'https://127.0.0.1:1');
    await reaches(a, b, [1, 2], 1);
  });
});

describe('the address book', () => {
  const node = addressAt('n', 1);

  it('puts what was proved first, then the list, then hints', () => {
    const book = new AddressBook();
    expect(book.hint('n', 'https://h')).toBe(true);
    expect(book.hint('n', 'https://h')).toBe(false);
    expect(book.routes(node)).toEqual([node.clusterAddress, 'https://h']);
    expect(book.best(node)).toEqual(node);
    expect(book.learn('n', 'https://l')).toBe(true);
    expect(book.learn('n', 'https://l')).toBe(false);
    expect(book.hint('n', 'https://l')).toBe(false);
    expect(book.routes(node)).toEqual(['https://l', node.clusterAddress, 'https://h']);
    expect(book.best(node)).toEqual({ ...node, clusterAddress: 'https://l' });
  });

  it('keeps a few hints of members only', () => {
    const book = new AddressBook();
    for (let at = 0; at < 100; at++) book.hint('n', `https://${at}`);
    expect(book.routes(node)).toHaveLength(5);
    book.learn('n', 'https://l');
    book.keepOnly((nodeId) => nodeId !== 'n');
    expect(book.routes(node)).toEqual([node.clusterAddress]);
  });
});

describe('a node that was removed', () => {
  it('is told so by one that never knew it, by its number', async () => {
    const [a, b] = [await cluster.node('a'), await cluster.node('b')];
    let told = 0;
    a.transport.onRemoved(() => told++);
    b.transport.setPeers(new Map([[2, b.address]]), 3);
    a.transport.setPeers(new Map([[1, a.address], [2, b.address]]), 3); // prettier-ignore
    await until(() => told > 0);
    expect(rounds(b)).toEqual([]);
  });

  it('is heard under a later number, though its name was removed before', async () => {
    const [a, b] = [await cluster.node('a'), await cluster.node('b')];
    let told = 0;
    a.transport.onRemoved(() => told++);
    b.transport.setPeers(new Map([[1, a.address], [2, b.address]]), 3); // prettier-ignore
    // The removal has arrived at b, the new membership has not.
    b.transport.setPeers(new Map([[2, b.address]]), 3);
    a.transport.setPeers(new Map([[2, b.address], [3, a.address]]), 4); // prettier-ignore
    await reaches(a, b, [3, 2], 5);
    expect(told).toBe(0);
  });
});

describe('a succession of authorities', () => {
  const both = (first: ClusterTls, second: ClusterTls): ClusterTls => ({
    caCertificate: bundleOf(first.caCertificate, second.caCertificate),
    caKey: first.caKey,
  });

  it('interrupts nothing, and new connections work at each step, whoever is a step ahead', async () => {
    const old = cluster.tls;
    const next = await createClusterTls(systemClock, systemRandom);
    const [a, b] = [await cluster.node('a'), await cluster.node('b')];
    cluster.introduce(a, b);
    let round = 1;
    await reaches(a, b, [1, 2], round);
    await reaches(b, a, [2, 1], round);
    const steps = [both(old, next), both(next, old), { ...next }];
    for (const step of steps) {
      for (const node of [a, b]) {
        await node.transport.renew(step);
        a.transport.send([heartbeat(1, 2, ++round)]);
        await until(() => rounds(b).includes(round));
        // A new node with either's set-up is let in, and lets them in: they are in adjacent steps at most.
        const c = await cluster.node(`c${round}`, { tls: step });
        const list = new Map([a, b, c].map(({ address }, at) => [at + 1, address]));
        for (const { transport } of [a, b, c]) transport.setPeers(list);
        await reaches(c, a, [3, 1], 100 + round);
        await reaches(b, c, [2, 3], 100 + round);
        await c.transport.close();
        for (const { transport } of [a, b]) transport.setPeers(new Map([...list].slice(0, 2)));
      }
    }
    expect(a.lines.filter(({ message }) => message.startsWith('lost'))).toEqual([]);
    const stranger = await cluster.node('s', { tls: old });
    stranger.transport.setPeers(new Map([[1, a.address], [9, stranger.address]])); // prettier-ignore
    await until(() => stranger.unreachable.length > 2);
    expect(a.lines.some(({ message }) => message.includes('no certificate of this cluster’s authority'))).toBe(true);
  }, 30_000);

  it('tells certificates of a bundle apart', async () => {
    const next = await createClusterTls(systemClock, systemRandom);
    const [first, second] = certificatesOf(bundleOf(cluster.tls.caCertificate, next.caCertificate)) as [string, string];
    expect(fingerprintOf(first)).toBe(fingerprintOf(cluster.tls.caCertificate));
    expect(fingerprintOf(second)).toBe(fingerprintOf(next.caCertificate));
    expect(fingerprintOf(first)).toMatch(/^[0-9a-f]{64}$/);
    expect(certificatesOf('')).toEqual([]);
  });
});
