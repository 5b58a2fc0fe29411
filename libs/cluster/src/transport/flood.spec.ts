import { connect } from 'node:net';
import type { Socket } from 'node:net';
import type { Clock } from '@coffer/kernel';
import { systemClock } from '@coffer/kernel';
import { encodeMessage } from 'raft-ts';
import type { Connection, ConnectionHandler } from './connection.ts';
import { requestHead } from './forward-frames.ts';
import { FrameReader, FrameType } from './frame.ts';
import { LogGate } from './log-gate.ts';
import { receiveSnapshot } from './snapshot-receiver.ts';
import { codec, heartbeat, recordingLog, TestCluster, until } from './test-transport.fixture.ts';
import type { RawClient, TestNode } from './test-transport.fixture.ts';

let cluster: TestCluster;

beforeEach(async () => {
  cluster = await TestCluster.create();
});

afterEach(async () => {
  await cluster.close();
});

/** A bare connection to a node's port. */
async function bare(to: TestNode): Promise<{ readonly socket: Socket; closed: boolean }> {
  const socket = connect(Number(new URL(to.address.clusterAddress).port), '127.0.0.1');
  const opened = { socket, closed: false };
  socket.on('error', () => undefined);
  socket.on('close', () => (opened.closed = true));
  cluster.onClose(() => socket.destroy());
  await new Promise((resolve) => socket.once('connect', resolve));
  return opened;
}

async function entered(
  to: TestNode,
  asNode: string,
  protocol: 'coffer-raft/1' | 'coffer-forward/1',
): Promise<RawClient> {
  const client = await cluster.rawClient(to.address, asNode, protocol);
  await client.hello(asNode);
  expect(client.closed).toBe(false);
  return client;
}

const frameOf = (type: number, ...parts: readonly Uint8Array[]): Buffer => {
  const payload = Buffer.concat(parts);
  const header = Buffer.alloc(5);
  header.writeUInt32BE(payload.length + 1);
  header[4] = type;
  return Buffer.concat([header, payload]);
};

describe('a flooded cluster port', () => {
  it('turns out who says nothing when others come, and lets nodes in all the same', async () => {
    const a = await cluster.node('a', { limits: { unknownMax: 3, connectTimeoutMs: 60_000 } });
    const first = await bare(a);
    const second = await bare(a);
    const others = [await bare(a), await bare(a), await bare(a)];
    await until(() => first.closed && second.closed);
    expect(others.map(({ closed }) => closed)).toEqual([false, false, false]);
    const b = await cluster.node('b');
    cluster.introduce(a, b);
    await until(() => {
      b.transport.send([heartbeat(2, 1, 1)]);
      return a.got.length > 0;
    });
    // Nobody was turned out for a node that has come in.
    const c = await entered(a, 'b', 'coffer-forward/1');
    const more = [await bare(a), await bare(a), await bare(a)];
    await until(() => others.every(({ closed }) => closed));
    expect(more.map(({ closed }) => closed)).toEqual([false, false, false]);
    expect(c.closed).toBe(false);
  });

  it('ends a handshake that does not come to its end', async () => {
    const a = await cluster.node('a', { limits: { connectTimeoutMs: 50 } });
    const silent = await bare(a);
    const half = await bare(a);
    half.socket.write(Buffer.from('160301020001000001fc0303', 'hex'));
    await until(() => silent.closed && half.closed);
  });

  it('has two connections of a node for a protocol, the newest', async () => {
    const [a, b] = [await cluster.node('a'), await cluster.node('b')];
    cluster.introduce(a, b);
    const clients: RawClient[] = [];
    for (let count = 0; count < 3; count++) clients.push(await entered(a, 'b', 'coffer-forward/1'));
    await until(() => clients[0]?.closed === true);
    expect(clients.map(({ closed }) => closed)).toEqual([true, false, false]);
  });

  it('has few connections of nodes that it does not know', async () => {
    const a = await cluster.node('a');
    const strangers: RawClient[] = [];
    for (let count = 0; count < 10; count++) strangers.push(await entered(a, `s${String(count)}`, 'coffer-raft/1'));
    await until(() => strangers[1]?.closed === true);
    expect(strangers.filter(({ closed }) => closed)).toHaveLength(2);
  });

  it('deals with many small frames in turns, and with all of them, in order', async () => {
    const [a, b] = [await cluster.node('a'), await cluster.node('b')];
    cluster.introduce(a, b);
    const client = await entered(a, 'b', 'coffer-raft/1');
    const frames = Array.from({ length: 5000 }, (_, round) =>
      frameOf(FrameType.message, encodeMessage(heartbeat(2, 1, round + 1))),
    );
    let most = 0;
    let counting = true;
    let before = a.got.length;
    const count = (): void => {
      most = Math.max(most, a.got.length - before);
      before = a.got.length;
      if (counting) setImmediate(count);
    };
    count();
    client.socket.write(Buffer.concat(frames));
    await until(() => a.got.length >= 5000);
    counting = false;
    expect(a.got.flatMap((message) => (message.kind === 'heartbeat' ? [message.round] : []))).toEqual(
      frames.map((_, at) => at + 1),
    );
    expect(most).toBeLessThanOrEqual(64);
  });

  it('reads no further requests while those under way are long', async () => {
    const a = await cluster.node('a', { limits: { inFlightBytesMax: 2500 } });
    const b = await cluster.node('b');
    cluster.introduce(a, b);
    const waiting: (() => void)[] = [];
    a.transport.forward.serve(
      'ask',
      (payload) => new Promise((resolve) => waiting.push(() => resolve(payload.subarray(0, 1)))),
    );
    const client = await entered(a, 'b', 'coffer-forward/1');
    for (let id = 1; id <= 3; id++)
      client.frame(FrameType.request, Buffer.concat([requestHead(id, 'ask'), Buffer.alloc(1000)]));
    await until(() => waiting.length === 3);
    for (let id = 4; id <= 6; id++)
      client.frame(FrameType.request, Buffer.concat([requestHead(id, 'ask'), Buffer.alloc(1000)]));
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(waiting).toHaveLength(3);
    for (const go of waiting.splice(0)) go();
    await until(() => waiting.length === 3);
    for (const go of waiting.splice(0)) go();
    await until(() => client.frames.filter(({ type }) => type === FrameType.response).length === 6);
  });
});

describe('a reader of frames', () => {
  it('tells so many as it may, and goes on where it was', () => {
    const told: number[] = [];
    const reader = new FrameReader(100, (_type, payload) => told.push(payload[0] as number));
    const all = Buffer.concat([1, 2, 3, 4, 5].map((number) => frameOf(FrameType.message, Uint8Array.of(number))));
    reader.framesLeft = 2;
    expect(reader.push(all.subarray(0, 3))).toBe(3);
    const used = reader.push(all.subarray(3));
    expect(told).toEqual([1, 2]);
    expect(reader.push(all.subarray(3 + used))).toBe(0);
    reader.framesLeft = 10;
    expect(reader.push(all.subarray(3 + used))).toBe(all.length - 3 - used);
    expect(told).toEqual([1, 2, 3, 4, 5]);
  });
});

describe('a snapshot that arrives', () => {
  it('is given up when it does not go on for a minute', () => {
    let handler: ConnectionHandler | undefined;
    const ended: string[] = [];
    const connection = {
      handOver: (taken: ConnectionHandler) => (handler = taken),
      destroy: (reason?: Error) => void ended.push(String(reason?.message)),
    } as unknown as Connection;
    let look: () => void = () => undefined;
    const clock: Clock = { ...systemClock, every: (_ms, tick) => ((look = tick), () => undefined) };
    const { log } = recordingLog();
    const means = { decode: codec.decode, listener: () => new Promise<void>(() => undefined), clock, log };
    receiveSnapshot(connection, 'n', { ...means, gate: new LogGate(clock), onClose: () => undefined });
    const membership = { voters: [1, 2], votersOutgoing: [], learners: [], learnersNext: [] };
    const snapshot = { index: 12, term: 3, membership };
    handler?.onFrame(FrameType.snapshotBegin, encodeMessage({ kind: 'snapshot', from: 1, to: 2, term: 3, snapshot }));
    for (let count = 0; count < 12; count++) look();
    handler?.onFrame(FrameType.snapshotChunk, new Uint8Array(10));
    for (let count = 0; count < 12; count++) look();
    expect(ended).toEqual([]);
    look();
    expect(ended).toEqual(['a snapshot that does not go on']);
  });
});
