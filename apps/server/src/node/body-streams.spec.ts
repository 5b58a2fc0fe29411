import type { ForwardChannel } from '@coffer/cluster';
import { systemRandom, type Clock } from '@coffer/kernel';
import { BodyStreams, type StreamRef } from './body-streams.ts';

type Handler = Parameters<ForwardChannel['serve']>[1];

/** Two nodes, and a clock whose timers are run by hand. */
function pair() {
  const timers = new Set<() => void>();
  const clock = {
    after: (_: number, run: () => void) => {
      timers.add(run);
      return () => void timers.delete(run);
    },
  } as unknown as Clock;
  const handlers = new Map<string, Handler>();
  const calls: string[] = [];
  const nodeOf = (nodeId: string): BodyStreams => {
    const channel = {
      serve: (kind: string, handler: Handler) => void handlers.set(`${nodeId} ${kind}`, handler),
      call: async (to: StreamRef['node'], kind: string, payload: Uint8Array, signal: AbortSignal) => {
        calls.push(kind);
        const handler = handlers.get(`${to.nodeId} ${kind}`);
        if (!handler) throw new Error('nobody there');
        return handler(payload, nodeId, signal);
      },
    } as unknown as ForwardChannel;
    return new BodyStreams(channel, { nodeId, apiAddress: '', clusterAddress: '' }, clock, systemRandom);
  };
  const expire = async (): Promise<void> => {
    for (const run of [...timers]) run();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { a: nodeOf('a'), b: nodeOf('b'), c: nodeOf('c'), calls, timers, expire };
}

const signal = new AbortController().signal;

function source(count: number, size: number) {
  const state = { begun: false, closed: false };
  async function* pieces(): AsyncGenerator<Uint8Array> {
    state.begun = true;
    try {
      for (let at = 0; at < count; at++) {
        await Promise.resolve();
        yield Buffer.alloc(size, at);
      }
    } finally {
      state.closed = true;
    }
  }
  return { state, body: pieces() };
}

async function bytesOf(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of body) pieces.push(piece);
  return Buffer.concat(pieces);
}

describe('a body on its way to another node', () => {
  it.each([
    [0, 0],
    [1, 5],
    [100, 20_000],
    [3, 1_000_000],
  ])('arrives whole: %d pieces of %d bytes', async (count, size) => {
    const { a, b, timers } = pair();
    const bytes = await bytesOf(b.fetch(a.offer(source(count, size).body, 'b'), signal));
    expect(bytes.equals(await bytesOf(source(count, size).body))).toBe(true);
    expect(timers.size).toBe(0);
  });

  it('is read no further than it is asked for, and let go of when its reader stops', async () => {
    const { a, b, calls } = pair();
    const { state, body } = source(1000, 100_000);
    const ref = a.offer(body, 'b');
    expect(state.begun).toBe(false);
    for await (const piece of b.fetch(ref, signal)) {
      expect(piece.length).toBeLessThan(500_000);
      break;
    }
    await new Promise((resolve) => setImmediate(resolve));
    expect(state.closed).toBe(true);
    expect(calls).toEqual(['body/next', 'body/end']);
  });

  it('is not given to anybody else', async () => {
    const { a, c } = pair();
    const { state, body } = source(1, 1);
    await expect(bytesOf(c.fetch(a.offer(body, 'b'), signal))).rejects.toThrow('not offered');
    expect(state.begun).toBe(false);
  });

  it('fails over there as it fails here', async () => {
    const { a, b } = pair();
    async function* failing(): AsyncGenerator<Uint8Array> {
      await Promise.resolve();
      yield Buffer.alloc(400_000);
      throw new Error('cut off');
    }
    await expect(bytesOf(b.fetch(a.offer(failing(), 'b'), signal))).rejects.toThrow('cut off');
  });

  it('is given up when nobody asks for it', async () => {
    const { a, b, expire } = pair();
    const { state, body } = source(10, 300_000);
    const ref = a.offer(body, 'b');
    const iterator = b.fetch(ref, signal)[Symbol.asyncIterator]();
    await iterator.next();
    await expire();
    expect(state.closed).toBe(true);
    await expect(iterator.next()).rejects.toThrow('not offered');
  });
});
