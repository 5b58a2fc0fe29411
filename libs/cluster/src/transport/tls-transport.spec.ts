import { connect } from 'node:net';
import { createServer } from 'node:tls';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { systemClock, systemRandom } from '@coffer/kernel';
import { createClusterTls, issueNodeCertificate } from './cluster-ca.ts';
import { FrameReader, FrameType } from './frame.ts';
import { decodeRefusal, encodeHello } from './hello.ts';
import {
  addressAt,
  append,
  CLUSTER_ID,
  codec,
  freePort,
  heartbeat,
  recordingLog,
  Tap,
  TestCluster,
  until,
} from './test-transport.fixture.ts';
import type { TestNode } from './test-transport.fixture.ts';
import { TlsTransport } from './tls-transport.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const portOf = ({ address }: TestNode): number => Number(new URL(address.clusterAddress).port);
const rounds = ({ got }: TestNode): number[] => got.flatMap((m) => (m.kind === 'heartbeat' ? [m.round] : []));

describe('TlsTransport', () => {
  let cluster: TestCluster;
  beforeEach(async () => {
    cluster = await TestCluster.create();
  });
  afterEach(() => cluster.close());

  it('carries messages both ways, in order', async () => {
    const [a, b] = [await cluster.node('a'), await cluster.node('b')];
    cluster.introduce(a, b);
    const sent = Array.from({ length: 200 }, (_, round) => round);
    a.transport.send(sent.map((round) => heartbeat(1, 2, round)));
    await until(() => rounds(b).length >= 200);
    expect(rounds(b)).toEqual(sent);
    b.transport.send([append(2, 1, 7, 300_000), heartbeat(2, 1, 1)]);
    await until(() => a.got.length === 2);
    expect(a.got[0]).toEqual(append(2, 1, 7, 300_000));
  });

  it('shows nothing of what it carries on the wire', async () => {
    const [a, b] = [await cluster.node('a'), await cluster.node('b')];
    const { tap, port } = await Tap.open(portOf(b));
    cluster.onClose(() => tap.close());
    const peers = new Map([
      [1, a.address],
      [2, addressAt('b', port)],
    ]);
    a.transport.setPeers(peers);
    b.transport.setPeers(peers);
    const data = Buffer.from('canary-in-the-payload-'.repeat(20));
    const entries = [{ kind: 'data' as const, term: 1, index: 1, data }];
    const message = { kind: 'append' as const, from: 1, to: 2, term: 1, prevIndex: 0, prevTerm: 0, entries, commit: 0 };
    a.transport.send([message]);
    await until(() => b.got.length === 1);
    expect(b.got[0]).toMatchObject({ kind: 'append' });
    const wire = Buffer.concat(tap.seen);
    expect(wire.length).toBeGreaterThan(data.length);
    expect(wire.includes('canary')).toBe(false);
    expect(wire.includes('cluster-one')).toBe(false);
    expect(wire.includes('PRIVATE')).toBe(false);
  });

  it('refuses a node with a certificate of another authority, at both ends', async () => {
    const a = await cluster.node('a');
    const tls = await createClusterTls(systemClock, systemRandom);
    const b = await cluster.node('b', { tls });
    cluster.introduce(a, b);
    a.transport.send([heartbeat(1, 2, 1)]);
    await until(() => a.unreachable.length > 0 && b.unreachable.length > 0);
    await until(() => b.lines.some(({ level, message }) => level === 'warn' && message.includes('authority')));
    expect(a.lines.filter(({ level }) => level === 'warn')).not.toEqual([]);
    expect(a.unreachable.every(({ how }) => how === 'silent')).toBe(true);
    expect([...a.got, ...b.got]).toEqual([]);
  });

  it('refuses a node of another cluster with the same authority, and says so in the log of both', async () => {
    const a = await cluster.node('a');
    const b = await cluster.node('b', { clusterId: 'a-copy' });
    cluster.introduce(a, b);
    a.transport.send([heartbeat(1, 2, 1)]);
    await until(() => b.lines.some(({ level, message }) => level === 'warn' && message.includes('another cluster')));
    await until(() => a.lines.some(({ fields }) => String(fields?.['reason']).includes('another cluster')));
    expect(b.got).toEqual([]);
  });

  it.each([
    ['another cluster', { clusterId: 'another', nodeId: 'b' }, 'another cluster'],
    ['another node', { clusterId: CLUSTER_ID, nodeId: 'c' }, 'another node than it says'],
  ])('sends nothing to a node that lets it in but says that it is of %s', async (_name, said, reason) => {
    const a = await cluster.node('a');
    const leaf = await issueNodeCertificate(cluster.tls, 'b', systemClock, systemRandom);
    const own = { cert: leaf.certificate, key: leaf.key.reveal() };
    const types: number[] = [];
    const server = createServer({ ...own, ca: cluster.tls.caCertificate, ALPNProtocols: ['coffer-raft/1'] });
    server.on('secureConnection', (socket) => {
      const reader = new FrameReader(10_000, (type) => {
        types.push(type);
        const limits = { requestsMax: 1, payloadBytesMax: 1000 };
        const payload = encodeHello({ ...addressAt('b', 1), ...limits, ...said });
        const header = Buffer.from([0, 0, 0, 0, FrameType.hello]);
        header.writeUInt32BE(payload.length + 1);
        socket.write(Buffer.concat([header, payload]));
      });
      socket.on('data', (chunk: Buffer) => reader.push(chunk));
      socket.on('error', () => undefined);
    });
    const port = await freePort();
    server.listen(port, '127.0.0.1');
    cluster.onClose(() => server.close());
    a.transport.setPeers(new Map([[1, a.address], [2, addressAt('b', port)]])); // prettier-ignore
    a.transport.send([heartbeat(1, 2, 1)]);
    await until(() => a.lines.some(({ fields }) => String(fields?.['reason']).includes(reason)));
    expect(new Set(types)).toEqual(new Set([FrameType.hello]));
  });

  it('sends nothing to a node that is not the one it should be', async () => {
    const [a, c] = [await cluster.node('a'), await cluster.node('c')];
    a.transport.setPeers(new Map([[1, a.address], [2, { ...c.address, nodeId: 'b' }]])); // prettier-ignore
    a.transport.send([heartbeat(1, 2, 1)]);
    await until(() => a.lines.some(({ fields }) => String(fields?.['reason']).includes('another node')));
    expect(c.got).toEqual([]);
    expect(a.unreachable[0]).toEqual({ peer: 2, how: 'silent' });
  });

  it('refuses a node whose hello differs from its certificate', async () => {
    const b = await cluster.node('b');
    const client = await cluster.rawClient(b.address, 'mallory', 'coffer-raft/1');
    await client.hello('a');
    expect(client.frames[0]?.type).toBe(FrameType.refusal);
    expect(decodeRefusal(client.frames[0]?.payload ?? new Uint8Array())).toBe('node');
    await until(() => client.closed);
  });

  it('no longer listens to a node that was removed, until it is a member again', async () => {
    const [a, b] = [await cluster.node('a'), await cluster.node('b')];
    cluster.introduce(a, b);
    a.transport.send([heartbeat(1, 2, 1)]);
    await until(() => rounds(b).length === 1);
    b.transport.setPeers(new Map([[2, b.address]]));
    await until(() => a.lines.some(({ fields }) => String(fields?.['reason']).includes('not a member')));
    // Under its old number it never is again; it joined anew.
    for (const { transport } of [a, b]) transport.setPeers(new Map([[3, a.address], [2, b.address]])); // prettier-ignore
    await until(() => {
      a.transport.send([heartbeat(3, 2, 2)]);
      return rounds(b).includes(2);
    });
    expect(rounds(b)[0]).toBe(1);
  });

  it('hears and answers a member that it has yet to learn of', async () => {
    const [a, b] = [await cluster.node('a'), await cluster.node('b')];
    a.transport.setPeers(new Map([[1, a.address], [2, b.address]])); // prettier-ignore
    b.transport.setPeers(new Map([[2, b.address]]));
    a.transport.send([heartbeat(1, 2, 1)]);
    await until(() => rounds(b).length === 1);
    b.transport.send([heartbeat(2, 1, 9)]);
    await until(() => rounds(a).includes(9));
    expect(rounds(a)).toEqual([9]);
  });

  it('ends the connection of a node that speaks in another’s name', async () => {
    const [a, b] = [await cluster.node('a'), await cluster.node('b')];
    cluster.introduce(a, b);
    const client = await cluster.rawClient(b.address, 'mallory', 'coffer-raft/1');
    await client.hello('mallory');
    client.frame(FrameType.message, codec.encode(heartbeat(1, 2, 66)));
    await until(() => client.closed);
    expect(rounds(b)).toEqual([]);
  });
});

describe('TlsTransport, against what is not TLS or not the protocol', () => {
  let cluster: TestCluster;
  let a: TestNode;
  let b: TestNode;
  beforeEach(async () => {
    cluster = await TestCluster.create();
    [a, b] = [await cluster.node('a'), await cluster.node('b', { limits: { connectTimeoutMs: 300 } })];
    cluster.introduce(a, b);
  });
  afterEach(async () => {
    // Whatever happened, others are served.
    a.transport.send([heartbeat(1, 2, 4711)]);
    await until(() => rounds(b).includes(4711));
    await cluster.close();
  });

  it.each([
    ['noise', Buffer.from(systemRandom.bytes(5000))],
    ['HTTP', Buffer.from('GET /v1/sys/health HTTP/1.1\r\nHost: x\r\n\r\n')],
    ['nothing', Buffer.alloc(0)],
  ])('closes a bare TCP connection that sends %s', async (_name, bytes) => {
    const socket = connect(portOf(b), '127.0.0.1');
    socket.on('error', () => undefined);
    socket.resume();
    if (bytes.length > 0) socket.write(bytes);
    await new Promise((resolve) => socket.on('close', resolve));
  });

  it('closes a connection that says no hello in time', async () => {
    const client = await cluster.rawClient(b.address, 'a', 'coffer-raft/1');
    await until(() => client.closed);
    expect(client.frames).toEqual([]);
  });

  it.each([
    ['noise for a hello', (): [number, Uint8Array] => [FrameType.hello, systemRandom.bytes(100)]],
    ['a hello without fields', (): [number, Uint8Array] => [FrameType.hello, Buffer.from('{"v":1}')]],
    ['a message before the hello', (): [number, Uint8Array] => [FrameType.message, codec.encode(heartbeat(1, 2, 1))]],
    ['a hello that is too long', (): [number, Uint8Array] => [FrameType.hello, new Uint8Array(5000)]],
  ])('ends a connection that begins with %s', async (_name, made) => {
    const client = await cluster.rawClient(b.address, 'a', 'coffer-raft/1');
    client.frame(...made());
    await until(() => client.closed);
    expect(rounds(b)).toEqual([]);
  });

  it('refuses a hello of another version by name', async () => {
    const client = await cluster.rawClient(b.address, 'a', 'coffer-raft/1');
    client.frame(FrameType.hello, Buffer.from('{"v":2}'));
    await until(() => client.closed);
    expect(decodeRefusal(client.frames[0]?.payload ?? new Uint8Array())).toBe('version');
  });

  it.each([
    ['noise for a message', FrameType.message, systemRandom.bytes(300)],
    ['a frame of another protocol', FrameType.request, new Uint8Array(20)],
    ['a frame of no known type', 0xee, new Uint8Array(3)],
    ['a second hello', FrameType.hello, Buffer.from('{}')],
  ])('ends a connection that goes on with %s', async (_name, type, payload) => {
    const client = await cluster.rawClient(b.address, 'a', 'coffer-raft/1');
    await client.hello('a');
    client.frame(type, payload);
    await until(() => client.closed);
    expect(b.lines.some(({ level, message }) => level === 'warn' && message.includes('ended the connection'))).toBe(
      true,
    );
  });

  it('ends a connection that claims more than a message may have', async () => {
    const client = await cluster.rawClient(b.address, 'a', 'coffer-raft/1');
    await client.hello('a');
    client.socket.write(Buffer.from([0xff, 0xff, 0xff, 0xff, FrameType.message]));
    await until(() => client.closed);
    expect(rounds(b)).toEqual([]);
  });

  it('tells nothing of a message that is cut off', async () => {
    const client = await cluster.rawClient(b.address, 'a', 'coffer-raft/1');
    await client.hello('a');
    const whole = codec.encode(append(1, 2, 3, 1000));
    client.socket.end(Buffer.concat([Buffer.from([0, 0, 4, 0, FrameType.message]), whole.subarray(0, 500)]));
    await until(() => client.closed);
    expect(b.got).toEqual([]);
  });
});

describe('TlsTransport, when peers go', () => {
  let cluster: TestCluster;
  beforeEach(async () => {
    cluster = await TestCluster.create();
  });
  afterEach(() => cluster.close());

  it('tells that a process died by its refusals, and connects again when it is back', async () => {
    const [a, b] = [await cluster.node('a'), await cluster.node('b')];
    cluster.introduce(a, b);
    a.transport.send([heartbeat(1, 2, 1)]);
    await until(() => rounds(b).length === 1);
    a.unreachable.length = 0;
    await b.transport.close();
    await until(() => a.unreachable.length > 0);
    expect(a.unreachable[0]).toEqual({ peer: 2, how: 'refused' });
    const again = await cluster.node('b', { port: portOf(b) });
    again.transport.setPeers(new Map([[1, a.address], [2, b.address]])); // prettier-ignore
    await until(() => {
      a.transport.send([heartbeat(1, 2, 2)]);
      return rounds(again).includes(2);
    });
  });

  it('dials again at once when only the connection was lost', async () => {
    const [a, b] = [await cluster.node('a'), await cluster.node('b')];
    const { tap, port } = await Tap.open(portOf(b));
    cluster.onClose(() => tap.close());
    a.transport.setPeers(new Map([[1, a.address], [2, addressAt('b', port)]])); // prettier-ignore
    b.transport.setPeers(new Map([[1, a.address], [2, b.address]])); // prettier-ignore
    a.transport.send([heartbeat(1, 2, 1)]);
    await until(() => rounds(b).length === 1);
    tap.cut();
    await until(() => {
      a.transport.send([heartbeat(1, 2, 2)]);
      return rounds(b).includes(2);
    });
    expect(a.unreachable.filter(({ how }) => how === 'refused')).toEqual([]);
  });

  it('gives up a peer that says nothing any more', async () => {
    const a = await cluster.node('a', { limits: { pingMs: 20, silentPingsMax: 3, connectTimeoutMs: 100 } });
    const b = await cluster.node('b');
    const { tap, port } = await Tap.open(portOf(b));
    cluster.onClose(() => tap.close());
    a.transport.setPeers(new Map([[1, a.address], [2, addressAt('b', port)]])); // prettier-ignore
    b.transport.setPeers(new Map([[2, b.address]]));
    a.transport.send([heartbeat(1, 2, 1)]);
    await until(() => rounds(b).length === 1);
    tap.stall();
    await until(() => a.unreachable.length > 0);
    expect(a.unreachable[0]).toEqual({ peer: 2, how: 'silent' });
  });

  it('drops the oldest messages to a peer that does not read, and keeps its memory', async () => {
    const a = await cluster.node('a', { limits: { queueBytesMax: 1 << 20, silentPingsMax: 1000 } });
    const b = await cluster.node('b');
    const { tap, port } = await Tap.open(portOf(b));
    cluster.onClose(() => tap.close());
    a.transport.setPeers(new Map([[1, a.address], [2, addressAt('b', port)]])); // prettier-ignore
    b.transport.setPeers(new Map([[1, a.address], [2, b.address]])); // prettier-ignore
    a.transport.send([heartbeat(1, 2, 1)]);
    await until(() => rounds(b).length === 1);
    tap.stall();
    collectGarbage();
    const before = process.memoryUsage().arrayBuffers;
    for (let index = 0; index < 4000; index++) {
      a.transport.send([append(1, 2, index, 50_000)]);
      if (index % 50 === 0) await new Promise(setImmediate);
    }
    collectGarbage();
    expect(a.lines.filter(({ message }) => message.includes('too slowly'))).toHaveLength(1);
    expect(a.unreachable).toContainEqual({ peer: 2, how: 'silent' });
    // 200 MB were sent. The tap, in this same process, holds what its sockets had read before.
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(20_000_000);
  });

  it('can be closed and opened again, and does not open where another listens', async () => {
    const a = await cluster.node('a');
    const { log } = recordingLog();
    const listenAddress = new URL(a.address.clusterAddress).host;
    const made = { self: a.address, listenAddress, codec, clock: systemClock, random: systemRandom, log };
    const identity = { nodeId: 'a', clusterId: 'cluster-one', tls: cluster.tls };
    const second = new TlsTransport(made);
    await expect(second.open(identity)).rejects.toMatchObject({ code: 'EADDRINUSE' });
    await a.transport.close();
    await second.open(identity);
    await second.close();
    await a.transport.open(identity);
    expect(a.transport.endpoint()?.port).toBe(portOf(a));
  });

  it('says which listen addresses cannot be', async () => {
    const made = { self: addressAt('a', await freePort()), codec, clock: systemClock, random: systemRandom };
    const transport = new TlsTransport({ ...made, listenAddress: 'nonsense', log: recordingLog().log });
    await expect(transport.open({ nodeId: 'a', clusterId: 'c', tls: cluster.tls })).rejects.toThrow('listen address');
  });
});
