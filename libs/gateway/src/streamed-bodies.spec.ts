import { createServer, request as httpRequest } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { silentLog, systemClock, systemRandom, type Clock } from '@coffer/kernel';
import type { Request } from '@coffer/sdk';
import type { Namespaces } from '@coffer/core-api';
import type { Pipeline, Rendered } from '@coffer/core-pipeline';
import { decodeAnswer, decodeRequest, encodeAnswer, encodeRequest, type StreamExchange } from './forward-codec.ts';
import { RequestHandler } from './request-handler.ts';

const namespaces = {
  resolve: (_: string, path: string) => ({ namespace: { id: 'root', path: '' }, path }),
} as unknown as Namespaces;

const JSON_TYPE = { 'content-type': 'application/json' };

let servers: Server[] = [];
afterEach(() => {
  for (const server of servers) server.close().closeAllConnections();
  servers = [];
});

/** @returns the port of a server on which bodies of `/v1/stream` are streamed */
async function serve(handle: (request: Request) => Promise<Rendered>, clock = systemClock): Promise<number> {
  const pipeline = { handle, takesStream: (_: unknown, path: string) => path === 'stream' } as unknown as Pipeline;
  const handler = new RequestHandler(
    { pipeline, namespaces, clock, random: systemRandom, log: silentLog },
    { bodyBytesMax: 100, bodyTimeoutMs: 0, requestDurationMsMax: 90_000 },
  );
  const server = createServer((message, response) => handler.handle(message, response));
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

function post(
  port: number,
  path: string,
  body: Uint8Array,
): Promise<{ readonly status: number; readonly text: string }> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest({ port, host: '127.0.0.1', method: 'POST', path }, (message) => {
      let text = '';
      message.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
      message.on('end', () => resolve({ status: message.statusCode ?? 0, text }));
      message.on('error', reject);
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

const get = (port: number): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    httpRequest({ port, host: '127.0.0.1', path: '/v1/stream' }, resolve).on('error', reject).end();
  });

async function sizeOf(body: AsyncIterable<Uint8Array> | undefined): Promise<number> {
  let size = 0;
  for await (const piece of body ?? []) size += piece.length;
  return size;
}

describe('a body that is streamed', () => {
  it('has no limit of size, and is neither parsed nor collected', async () => {
    const port = await serve(async (request) => {
      expect(request.data).toEqual({});
      expect(request.rawBody).toBeUndefined();
      return { status: 200, headers: JSON_TYPE, body: String(await sizeOf(request.bodyStream)) };
    });
    expect(await post(port, '/v1/stream', Buffer.alloc(5_000_000))).toEqual({ status: 200, text: '5000000' });
    expect((await post(port, '/v1/other', Buffer.alloc(5_000))).status).toBe(413);
  });

  it('can be read once', async () => {
    const port = await serve(async ({ bodyStream }) => {
      expect(bodyStream?.begun).toBe(false);
      await sizeOf(bodyStream);
      expect(bodyStream?.begun).toBe(true);
      const again: unknown = await sizeOf(bodyStream).catch((error: unknown) => error);
      return { status: 200, headers: JSON_TYPE, body: (again as { readonly code: string }).code };
    });
    expect(await post(port, '/v1/stream', Buffer.alloc(10))).toEqual({ status: 200, text: 'standby' });
  });

  it('may be refused before it is read, or in the middle, and the client hears of it', async () => {
    for (const read of [0, 1]) {
      const port = await serve(async ({ bodyStream }) => {
        const pieces = bodyStream?.[Symbol.asyncIterator]();
        for (let at = 0; at < read; at++) await pieces?.next();
        await pieces?.return?.();
        return { status: 403, headers: JSON_TYPE, body: 'no' };
      });
      expect(await post(port, '/v1/stream', Buffer.alloc(20_000_000))).toEqual({ status: 403, text: 'no' });
    }
  });

  it('fails where the client goes away', async () => {
    let failed: (error: unknown) => void;
    const failure = new Promise<unknown>((resolve) => (failed = resolve));
    const port = await serve(async ({ bodyStream }) => {
      await sizeOf(bodyStream).catch((error: unknown) => failed(error));
      return { status: 200, headers: {}, body: undefined };
    });
    const socket = connect(port, '127.0.0.1');
    socket.write('POST /v1/stream HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nhalf');
    setTimeout(() => socket.destroy(), 50);
    expect(await failure).toMatchObject({ code: 'bad-request', message: 'the request body ended early' });
  });
});

describe('a client that falls silent', () => {
  it('is given up while it is waited for, and not while its body is dealt with', async () => {
    const impatient: Clock = { ...systemClock, after: (delayMs, run) => systemClock.after(delayMs / 600, run) };
    let failed: (error: unknown) => void;
    const failure = new Promise<unknown>((resolve) => (failed = resolve));
    const port = await serve(async ({ bodyStream }) => {
      let size = 0;
      try {
        for await (const piece of bodyStream ?? []) {
          size += piece.length;
          await new Promise((resolve) => setTimeout(resolve, 250));
        }
      } catch (error) {
        failed(error);
      }
      return { status: 200, headers: JSON_TYPE, body: String(size) };
    }, impatient);
    expect(await post(port, '/v1/stream', Buffer.alloc(1000))).toEqual({ status: 200, text: '1000' });
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write('POST /v1/stream HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nhalf');
    expect(await failure).toMatchObject({ code: 'bad-request' });
    socket.destroy();
  });
});

describe('an answer that is streamed', () => {
  async function* pieces(count: number, closed?: () => void): AsyncGenerator<Uint8Array> {
    try {
      for (let at = 0; at < count; at++) {
        await new Promise((resolve) => setImmediate(resolve));
        yield Buffer.alloc(10_000, at);
      }
    } finally {
      closed?.();
    }
  }

  it('arrives whole', async () => {
    const port = await serve(() => Promise.resolve({ status: 200, headers: {}, body: pieces(300) }));
    const message = await get(port);
    expect(message.headers['content-length']).toBeUndefined();
    expect(await sizeOf(message)).toBe(3_000_000);
  });

  it('breaks the connection off where it fails: it does not look whole', async () => {
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield* pieces(3);
      throw new Error('the disk is gone');
    }
    const port = await serve(() => Promise.resolve({ status: 200, headers: {}, body: failing() }));
    const message = await get(port);
    await expect(sizeOf(message)).rejects.toMatchObject({ code: 'ECONNRESET' });
  });

  it('is let go of where the client goes away', async () => {
    let closed: () => void;
    const over = new Promise<void>((resolve) => (closed = resolve));
    const body = pieces(Number.POSITIVE_INFINITY, () => closed());
    const port = await serve(() => Promise.resolve({ status: 200, headers: {}, body }));
    const message = await get(port);
    message.destroy();
    await over;
  });
});

describe('bodies between nodes', () => {
  const exchange = (): StreamExchange & { readonly offered: AsyncIterable<Uint8Array>[] } => {
    const offered: AsyncIterable<Uint8Array>[] = [];
    return {
      offered,
      offer: (body) => ({ number: offered.push(body) - 1 }),
      fetch: ({ number }) => Object.assign(offered[number as number] as AsyncIterable<Uint8Array>, { begun: false }),
    };
  };
  async function* body(): AsyncGenerator<Uint8Array> {
    await Promise.resolve();
    yield Buffer.from('piece');
  }

  it('are offered, not sent along', async () => {
    const streams = exchange();
    const request = {
      id: 'r',
      operation: 'update',
      path: 'stream',
      data: {},
      headers: {},
      connection: { remoteAddress: '', remotePort: 1 },
      deadlineMs: 5,
      signal: new AbortController().signal,
      bodyStream: Object.assign(body(), { begun: false }),
    } as unknown as Request;
    const arrived = decodeRequest(encodeRequest(request, 0, streams), 0, request.signal, streams);
    expect(arrived.rawBody).toBeUndefined();
    expect(await sizeOf(arrived.bodyStream)).toBe(5);
    const rendered = { status: 200, headers: {}, body: body() };
    const answer = decodeAnswer(encodeAnswer(rendered, streams), streams);
    expect(await sizeOf(answer.body as AsyncIterable<Uint8Array>)).toBe(5);
    expect(streams.offered).toHaveLength(2);
  });
});
