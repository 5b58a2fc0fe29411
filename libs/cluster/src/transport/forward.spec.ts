import { getEventListeners } from 'node:events';
import { systemClock } from '@coffer/kernel';
import { ForwardError } from '../cluster.ts';
import { failureHead, idHead, requestHead } from './forward-frames.ts';
import { FrameType } from './frame.ts';
import { addressAt, freePort, Tap, TestCluster, until } from './test-transport.fixture.ts';
import type { TestNode } from './test-transport.fixture.ts';
import type { TransportLimits } from './transport-options.ts';

const never = new AbortController().signal;
const bytes = (text: string): Uint8Array => Buffer.from(text);

/** A promise with its handles. */
function gate(): { readonly opened: Promise<void>; readonly open: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: resolve };
}

describe('forwarded requests', () => {
  let cluster: TestCluster;
  let a: TestNode;
  let b: TestNode;
  const start = async (limits: Partial<TransportLimits> = {}): Promise<void> => {
    [a, b] = [await cluster.node('a', { limits }), await cluster.node('b', { limits })];
    cluster.introduce(a, b);
    b.transport.forward.serve('echo', (payload) => Promise.resolve(payload));
  };
  const call = (text: string, kind = 'echo', signal: AbortSignal = never): Promise<string> =>
    a.transport.forward.call(b.address, kind, bytes(text), signal).then((answer) => Buffer.from(answer).toString());
  const failure = (promise: Promise<unknown>): Promise<unknown> =>
    promise.then(
      () => 'answered',
      (error: unknown) => (error instanceof ForwardError ? error.code : error),
    );
  beforeEach(async () => {
    cluster = await TestCluster.create();
  });
  afterEach(() => cluster.close());

  it('are answered, and the handler knows from whom they are', async () => {
    await start();
    b.transport.forward.serve('whence', (payload, from) => Promise.resolve(bytes(`${from}:${payload.length}`)));
    expect(await call('hello')).toBe('hello');
    expect(await call('', 'echo')).toBe('');
    expect(await call('four', 'whence')).toBe('a:4');
    const long = Buffer.alloc(3_000_000, 'long');
    expect(long.equals(await a.transport.forward.call(b.address, 'echo', long, never))).toBe(true);
  });

  it('are answered in any order, each with its own answer', async () => {
    await start();
    const first = gate();
    b.transport.forward.serve('late', async (payload) => {
      await first.opened;
      return payload;
    });
    const order: string[] = [];
    const late = call('late', 'late').then((answer) => order.push(answer));
    order.push(await call('early'));
    first.open();
    await late;
    expect(order).toEqual(['early', 'late']);
    const texts = Array.from({ length: 3000 }, (_, index) => `request ${String(index)}`);
    expect(await Promise.all(texts.map((text) => call(text)))).toEqual(texts);
  });

  it('leave no listeners on the caller’s signal', async () => {
    await start();
    const { signal } = new AbortController();
    await Promise.all([call('one', 'echo', signal), call('two', 'unknown', signal).catch(() => undefined)]);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  it('are cancelled over there, too', async () => {
    await start();
    const seen = gate();
    const cancelled = gate();
    b.transport.forward.serve('hang', async (_payload, _from, signal) => {
      seen.open();
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      cancelled.open();
      throw new Error('given up');
    });
    const controller = new AbortController();
    const outcome = failure(call('', 'hang', controller.signal));
    await seen.opened;
    const reason = new Error('the client went away');
    controller.abort(reason);
    expect(await outcome).toBe(reason);
    await cancelled.opened;
    expect(await call('still there')).toBe('still there');
    expect(b.lines.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('that are aborted before they begin are not sent', async () => {
    await start();
    let count = 0;
    b.transport.forward.serve('count', () => {
      count += 1;
      return Promise.resolve(bytes(''));
    });
    const reason = new Error('too late');
    expect(await failure(call('', 'count', AbortSignal.abort(reason)))).toBe(reason);
    const controller = new AbortController();
    const outcome = failure(call('', 'count', controller.signal));
    controller.abort(reason);
    expect(await outcome).toBe(reason);
    await call('');
    expect(count).toBe(0);
  });

  it('fail without a word about the inside of the other node', async () => {
    await start();
    b.transport.forward.serve('broken', () => Promise.reject(new Error('secret-canary')));
    b.transport.forward.serve('thrown', () => {
      throw new Error('secret-canary');
    });
    for (const kind of ['broken', 'thrown']) {
      const error: unknown = await call('', kind).catch((caught: unknown) => caught);
      expect(error).toMatchObject({ name: 'ForwardError', code: 'interrupted' });
      expect(String((error as Error).stack)).not.toContain('canary');
    }
    expect(b.lines.filter(({ level }) => level === 'error')).toHaveLength(2);
    expect(await failure(call('', 'unknown'))).toBe('unreachable');
    expect(await call('goes on')).toBe('goes on');
  });

  it('wait for their turn: never more at a time than the other node serves', async () => {
    await start({ requestsMax: 4 });
    let now = 0;
    let most = 0;
    b.transport.forward.serve('slow', async (payload) => {
      most = Math.max(most, ++now);
      await new Promise(setImmediate);
      now -= 1;
      return payload;
    });
    const texts = Array.from({ length: 100 }, (_, index) => String(index));
    expect(await Promise.all(texts.map((text) => call(text, 'slow')))).toEqual(texts);
    expect(most).toBe(4);
  });

  it('that are cancelled keep their turn until the handler is done', async () => {
    await start({ requestsMax: 1 });
    const done = gate();
    let running = 0;
    let most = 0;
    b.transport.forward.serve('stubborn', async (payload) => {
      most = Math.max(most, ++running);
      await done.opened;
      running -= 1;
      return payload;
    });
    const controller = new AbortController();
    const first = failure(call('', 'stubborn', controller.signal));
    await until(() => running === 1);
    controller.abort(new Error('gone'));
    await first;
    const second = call('second', 'stubborn');
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(most).toBe(1);
    done.open();
    expect(await second).toBe('second');
    expect(most).toBe(1);
  });

  it('are bounded in number and length before anything is sent', async () => {
    await start({ requestsMax: 1, waitingMax: 2, requestBytesMax: 1000 });
    const done = gate();
    let running = 0;
    b.transport.forward.serve('wait', async (payload) => {
      running += 1;
      await done.opened;
      return payload;
    });
    const first = call('1', 'wait');
    await until(() => running === 1);
    const waiting = [call('2', 'wait'), call('3', 'wait')];
    expect(await failure(call('4', 'wait'))).toBe('busy');
    done.open();
    expect(await Promise.all([first, ...waiting])).toEqual(['1', '2', '3']);
    expect(await failure(call('x'.repeat(1001)))).toBe('too-long');
  });

  it('that wait are bounded in bytes', async () => {
    await start({ requestsMax: 1, waitingBytesMax: 10 });
    const done = gate();
    let running = 0;
    b.transport.forward.serve('wait', async (payload) => {
      running += 1;
      await done.opened;
      return payload;
    });
    const first = call('1', 'wait');
    await until(() => running === 1);
    const long = call('a longer one goes alone', 'wait');
    expect(await failure(call('2', 'wait'))).toBe('busy');
    done.open();
    expect(await Promise.all([first, long])).toEqual(['1', 'a longer one goes alone']);
    expect(await call('3', 'wait')).toBe('3');
  });

  it('end with their deadline, sent or not, and are cancelled over there', async () => {
    await start({ requestsMax: 1 });
    let signalled = false;
    let running = 0;
    b.transport.forward.serve('hang', async (_payload, _from, signal) => {
      running += 1;
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      signalled = true;
      return bytes('');
    });
    const soon = systemClock.monotonicMs() + 50;
    const sent = failure(a.transport.forward.call(b.address, 'hang', bytes('1'), never, soon));
    await until(() => running === 1);
    const waiting = failure(a.transport.forward.call(b.address, 'hang', bytes('2'), never, soon));
    expect(await Promise.all([sent, waiting])).toEqual(['interrupted', 'unreachable']);
    await until(() => signalled);
    expect(await call('after')).toBe('after');
    expect(running).toBe(1);
  });

  it('are unreachable where nobody listens, and interrupted when the connection is lost', async () => {
    await start();
    const nobody = addressAt('c', await freePort());
    expect(await failure(a.transport.forward.call(nobody, 'echo', bytes('x'), never))).toBe('unreachable');
    const { tap, port } = await Tap.open(Number(new URL(b.address.clusterAddress).port));
    cluster.onClose(() => tap.close());
    const seen = gate();
    let signalled = false;
    b.transport.forward.serve('hang', async (_payload, _from, signal) => {
      seen.open();
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      signalled = true;
      return bytes('');
    });
    const outcome = failure(a.transport.forward.call(addressAt('b', port), 'hang', bytes('x'), never));
    await seen.opened;
    tap.cut();
    expect(await outcome).toBe('interrupted');
    await until(() => signalled);
    const again = await a.transport.forward.call(addressAt('b', port), 'echo', bytes('again'), never);
    expect(Buffer.from(again).toString()).toBe('again');
  });

  it('to a node that is not the one meant, or that does not know us, are unreachable', async () => {
    await start();
    const other = { ...b.address, nodeId: 'other' };
    expect(await failure(a.transport.forward.call(other, 'echo', bytes('x'), never))).toBe('unreachable');
    b.transport.setPeers(new Map([[2, b.address]]));
    expect(await failure(call('x'))).toBe('unreachable');
    const stranger = await cluster.node('stranger');
    expect(await failure(stranger.transport.forward.call(b.address, 'echo', bytes('x'), never))).toBe('unreachable');
  });

  it('fail when this node closes, and before it opens', async () => {
    await start();
    b.transport.forward.serve('hang', () => new Promise(() => undefined));
    const outcome = failure(call('', 'hang'));
    await call('');
    await a.transport.close();
    expect(await outcome).toBe('interrupted');
    expect(await failure(call(''))).toBe('unreachable');
  });

  it.each([
    ['an id that is in use', [FrameType.request, requestHead(1, 'hang')], [FrameType.request, requestHead(1, 'hang')]],
    ['an answer', [FrameType.response, idHead(1)]],
    ['a failure', [FrameType.failure, failureHead(1, 'failed')]],
    ['a request without a kind', [FrameType.request, Buffer.from([0, 0, 0, 1, 0])]],
    ['a kind longer than the frame', [FrameType.request, Buffer.from([0, 0, 0, 1, 60, 65])]],
    ['half an id', [FrameType.cancel, Buffer.from([0, 0])]],
    ['a raft message', [FrameType.message, Buffer.from([0, 0, 0, 0])]],
  ] as [string, ...[number, Uint8Array][]][])('end with the connection that sends %s', async (_name, ...frames) => {
    await start();
    b.transport.forward.serve('hang', () => new Promise(() => undefined));
    const client = await cluster.rawClient(b.address, 'a', 'coffer-forward/1');
    await client.hello('a');
    for (const [type, payload] of frames) client.frame(type, payload);
    await until(() => client.closed);
    expect(await call('others')).toBe('others');
  });

  it('end with the connection that sends more of them than allowed', async () => {
    await start({ requestsMax: 2 });
    b.transport.forward.serve('hang', () => new Promise(() => undefined));
    const client = await cluster.rawClient(b.address, 'a', 'coffer-forward/1');
    await client.hello('a');
    for (const id of [1, 2, 3]) client.frame(FrameType.request, requestHead(id, 'hang'));
    await until(() => client.closed);
    expect(client.frames.filter(({ type }) => type !== FrameType.hello)).toEqual([]);
  });

  it('of a node that does not read its answers are not read any further', async () => {
    await start();
    let served = 0;
    b.transport.forward.serve('long', () => {
      served += 1;
      return Promise.resolve(new Uint8Array(900_000));
    });
    const client = await cluster.rawClient(b.address, 'a', 'coffer-forward/1');
    await client.hello('a');
    client.socket.pause();
    for (let id = 1; id <= 120; id++) {
      client.frame(FrameType.request, Buffer.concat([requestHead(id, 'long'), new Uint8Array(20_000)]));
    }
    await until(() => served > 8);
    for (let quiet = served, turns = 0; turns < 20; turns = quiet === served ? turns + 1 : 0) {
      quiet = served;
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    expect(served).toBeLessThan(60);
    client.socket.resume();
    await until(() => client.frames.length === 121);
    expect(served).toBe(120);
  });
});
