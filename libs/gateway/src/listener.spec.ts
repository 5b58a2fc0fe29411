import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Listener } from './listener.ts';
import type { ListenerOptions } from './listener.ts';
import type { Serve } from './open-connections.ts';
import type { RequestHandler } from './request-handler.ts';
import { ResponseHeaders } from './response-headers.ts';

const BASE = { host: '127.0.0.1', port: 0, headerTimeoutMs: 10_000, writeTimeoutMs: 0, idleTimeoutMs: 10_000 };
const GET = 'GET /v1/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';

let opened: Listener[] = [];
afterEach(async () => {
  const closing = opened.map((listener) => listener.close(0));
  opened = [];
  await Promise.all(closing);
});

/** Answers with the method, as the gateway sees it, and the address. */
const tell = (message: IncomingMessage, response: ServerResponse): void => {
  message.resume();
  message.on('end', () =>
    response.end(
      `${String(message.method)} ${String(message.socket.remoteAddress)} ${String(message.socket.remotePort)};`,
    ),
  );
};

async function open(
  options: Partial<ListenerOptions> = {},
  handle = tell,
  fallback: Serve = (_, response) => response.end('fallback'),
): Promise<number> {
  const listener = new Listener({ handle } as unknown as RequestHandler, fallback, {
    ...BASE,
    ...options,
  });
  await listener.open();
  opened.push(listener);
  return listener.port;
}

/** Sends the pieces one by one, and collects all until the connection ends. */
function talk(port: number, pieces: readonly (string | Buffer)[]): Promise<string> {
  return new Promise((resolve) => {
    let heard = '';
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    socket.on('data', (chunk: Buffer) => (heard += chunk.toString('latin1')));
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(heard));
    void (async () => {
      for (const piece of pieces) {
        socket.write(piece);
        await new Promise((next) => setTimeout(next, 2));
      }
    })();
  });
}

describe('a listener', () => {
  it('adds its headers to what others answer, by the status, in place of theirs', async () => {
    const responseHeaders = new ResponseHeaders({ default: { 'x-a': 'all', etag: 'own' }, '404': { 'x-a': 'one' } });
    const answers: Record<string, Serve> = {
      '/plain': (_, response) => void response.setHeader('etag', 'theirs').setHeader('x-a', 'theirs').end(),
      '/table': (_, response) => void response.writeHead(404, { 'X-A': 'theirs', 'x-b': 'b' }).end(),
      '/list': (_, response) => void response.writeHead(404, 'Nope', ['X-A', 'theirs', 'x-b', 'b']).end(),
    };
    const port = await open({ responseHeaders }, tell, (message, response) =>
      answers[message.url ?? '']?.(message, response),
    );
    const told = async (path: string): Promise<readonly string[]> =>
      (await talk(port, [`GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`]))
        .split('\r\n')
        .filter((line) => /^(HTTP|x-|etag)/i.test(line))
        .sort();
    expect(await told('/plain')).toEqual(['HTTP/1.1 200 OK', 'etag: own', 'x-a: all']);
    expect(await told('/table')).toEqual(['HTTP/1.1 404 Not Found', 'etag: own', 'x-a: one', 'x-b: b']);
    expect(await told('/list')).toEqual(['HTTP/1.1 404 Nope', 'etag: own', 'x-a: one', 'x-b: b']);
  });

  it('serves LIST and SCAN, several on one connection, and keeps what looks like them in bodies', async () => {
    const port = await open({}, (message, response) => {
      let body = '';
      message.on('data', (chunk: Buffer) => (body += chunk.toString()));
      message.on('end', () => response.end(`<${String(message.method)} ${body}>`));
    });
    const heard = await talk(port, [
      'LIST /v1/a HTTP/1.1\r\nHost: x\r\n\r\nPOST /v1/b HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nLIST /SCAN /v1/c HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
    ]);
    expect(heard.match(/<[^>]*>/g)).toEqual(['<LINK >', '<POST LIST />', '<BIND >']);
  });

  it('takes a LIST byte by byte', async () => {
    const heard = await talk(await open(), [...GET.replace('GET', 'LIST')]);
    expect(heard).toContain('LINK 127.0.0.1');
  });

  it.each(['LINK', 'BIND'])("does not take a client's own %s for a list, split or whole", async (method) => {
    const message = GET.replace('GET', method);
    expect(await talk(await open(), [message])).toContain('LOCK 127');
    expect(await talk(await open(), [...message])).toMatch(/^HTTP\/1\.1 400 /);
  });

  it('refuses two framings at once, folded headers and what is no HTTP, in the form of an API error', async () => {
    const port = await open();
    for (const bytes of [
      'POST /v1/x HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nLIST /v1/y HTTP/1.1\r\n\r\n',
      'nonsense\r\n\r\n',
    ])
      expect(await talk(port, [bytes])).toMatch(
        /^HTTP\/1\.1 400 Bad Request\r\n[^]*\{"errors":\["malformed HTTP request"\]\}/,
      );
    expect(await talk(port, [`GET /v1/x HTTP/1.1\r\nHost: x\r\nA: ${'a'.repeat(70_000)}\r\n\r\n`])).toMatch(
      /^HTTP\/1\.1 431 /,
    );
  });

  it('leaves other paths to the fallback', async () => {
    expect(await talk(await open(), [GET.replace('/v1/', '/ui/')])).toContain('fallback');
  });

  it('tells clients to go elsewhere, and keeps connections that rest for the request that may be on its way', async () => {
    const port = await open({}, (_, response) => response.end('served'));
    const KEEP = 'GET /v1/x HTTP/1.1\r\nHost: x\r\n\r\n';
    let heard = '';
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    socket.on('data', (chunk: Buffer) => (heard += chunk.toString('latin1')));
    const ended = new Promise<void>((resolve) => socket.on('close', () => resolve()));
    socket.write(KEEP);
    while (!heard.includes('served')) await new Promise((next) => setTimeout(next, 2));
    expect(heard).toMatch(/connection: keep-alive/i);
    let gone = false;
    const sentAway = opened[0]?.sendAway(10_000).then(() => (gone = true));
    await new Promise((next) => setTimeout(next, 20));
    expect([gone, socket.destroyed]).toEqual([false, false]);
    // still served, also on a new connection, and for the last time
    expect(await talk(port, [KEEP])).toMatch(/connection: close/i);
    socket.write(KEEP);
    await ended;
    await sentAway;
    expect(heard.split('served')[1]).toMatch(/connection: close/i);
  });

  it('tells a request that it was already serving, and waits only so long', async () => {
    let finish = (): void => undefined;
    const begun = Promise.withResolvers<void>();
    const port = await open({}, (_, response) => {
      finish = () => void response.writeHead(200, ['content-length', '2']).end('ok');
      begun.resolve();
    });
    const heard = talk(port, ['GET /v1/x HTTP/1.1\r\nHost: x\r\n\r\n']);
    await begun.promise;
    await opened[0]?.sendAway(10);
    finish();
    expect(await heard).toMatch(/connection: close[^]*ok$/i);
  });

  it('waits for answers as long as it is told to, be it for months', async () => {
    // Node ends a timer of more than 2^31 ms at once.
    const port = await open(
      {
        writeTimeoutMs: 2 ** 32,
        headerTimeoutMs: 2 ** 32,
        proxyProtocol: { behavior: 'use_always', authorizedAddrs: [] },
      },
      (_, response) => {
        setTimeout(() => response.end('late'), 50);
      },
    );
    const head = 'GET /v1/a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';
    expect(await talk(port, [head.slice(0, 10), head.slice(10)])).toContain('late');
  });

  it('has no patience with a head that trickles in, nor with a reader that does not read', async () => {
    const slow = await open({ headerTimeoutMs: 30 });
    expect(await talk(slow, ['GET /v1/x HTTP/1.1\r\nA: b\r\n'])).toMatch(/^HTTP\/1\.1 408 /);
    const port = await open({ writeTimeoutMs: 30 }, (_, response) => {
      response.write('begun');
    });
    expect(await talk(port, [GET])).toContain('begun');
  });

  it('lets a request finish before it closes, and ends one that takes longer than the grace', async () => {
    let finish = (): void => undefined;
    let begun = (): void => undefined;
    const handle = (_: IncomingMessage, response: ServerResponse): void => {
      finish = () => response.end('finished');
      begun();
    };
    for (const graceMs of [10_000, 20]) {
      const started = new Promise<void>((resolve) => (begun = resolve));
      const heard = talk(await open({}, handle), [GET]);
      await started;
      const closed = opened.splice(0)[0]?.close(graceMs);
      if (graceMs > 1000) finish();
      await closed;
      expect((await heard).includes('finished')).toBe(graceMs > 1000);
    }
  });
});

describe('a listener behind a proxy', () => {
  const rules = (
    behavior: 'use_always' | 'allow_authorized' | 'deny_unauthorized',
    authorizedAddrs: string[] = [],
  ) => ({
    proxyProtocol: { behavior, authorizedAddrs },
  });
  const LINE = 'PROXY TCP4 10.1.2.3 192.168.0.1 12345 443\r\n';
  const V2 = Buffer.from('0d0a0d0a000d0a515549540a2111000c0a010203c0a80001303901bb', 'hex');

  it.each([[[LINE + GET]], [[...(LINE + GET)]], [[V2, GET]], [[Buffer.concat([V2, Buffer.from(GET)])]]])(
    "knows the client's address however the header is split",
    async (pieces: readonly (string | Buffer)[]) => {
      expect(await talk(await open(rules('use_always')), pieces)).toContain('GET 10.1.2.3 12345;');
    },
  );

  it('rewrites LIST right behind a header', async () => {
    expect(await talk(await open(rules('use_always')), [LINE + GET.replace('GET', 'LIST')])).toContain('LINK 10.1.2.3');
  });

  it('serves without a header under the own address', async () => {
    expect(await talk(await open(rules('use_always')), [GET])).toContain('GET 127.0.0.1');
  });

  it('drops what strangers claim, or the strangers', async () => {
    expect(await talk(await open(rules('allow_authorized', ['10.0.0.0/8'])), [LINE + GET])).toContain('GET 127.0.0.1');
    expect(await talk(await open(rules('deny_unauthorized', ['10.0.0.0/8'])), [LINE + GET])).toBe('');
    for (const behavior of ['allow_authorized', 'deny_unauthorized'] as const)
      expect(await talk(await open(rules(behavior, ['127.0.0.1'])), [LINE + GET])).toContain('GET 10.1.2.3');
  });

  it('ends a connection whose header is malformed or does not come', async () => {
    expect(await talk(await open(rules('use_always')), [`PROXY nonsense\r\n${GET}`])).toBe('');
    expect(await talk(await open({ ...rules('use_always'), headerTimeoutMs: 30 }), ['PROXY TCP4 '])).toBe('');
  });

  it('closes although a header is under way', async () => {
    const port = await open(rules('use_always'));
    const heard = talk(port, ['PROXY ']);
    await new Promise((next) => setTimeout(next, 20));
    await opened.splice(0)[0]?.close(0);
    expect(await heard).toBe('');
  });
});

describe('a listener with TLS', () => {
  const folder = mkdtempSync(join(tmpdir(), 'gateway-'));
  const make = (name: string): { readonly key: Buffer; readonly cert: Buffer } => {
    const [key, cert] = [join(folder, `${name}.key`), join(folder, `${name}.crt`)];
    const request = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', `/CN=${name}`];
    execFileSync('openssl', ['req', '-x509', ...request, '-days', '2', '-keyout', key, '-out', cert], {
      stdio: 'ignore',
    });
    return { key: readFileSync(key), cert: readFileSync(cert) };
  };
  const [first, second] = [make('first'), make('second')];
  afterAll(() => rmSync(folder, { recursive: true }));

  /** @param apart whether what comes before the handshake arrives on its own */
  async function talkTls(
    port: number,
    before?: Buffer,
    apart = false,
  ): Promise<{ readonly heard: string; readonly name: unknown }> {
    const raw = connect({ port, host: '127.0.0.1', noDelay: true });

    if (before) raw.write(before);
    if (apart) await new Promise((next) => setTimeout(next, 20));
    return new Promise((resolve, reject) => {
      const socket = connectTls({ socket: raw, rejectUnauthorized: false }, () => socket.write(GET));
      let heard = '';
      let name: unknown;
      socket.on('secureConnect', () => (name = socket.getPeerCertificate().subject.CN));
      socket.on('data', (chunk: Buffer) => (heard += chunk.toString()));
      socket.on('error', reject).on('close', () => resolve({ heard, name }));
    });
  }

  it('serves, and takes new certificates for new connections', async () => {
    const port = await open({ tls: first, reloadTls: () => second });
    expect(await talkTls(port)).toMatchObject({ name: 'first' });
    opened[0]?.reloadTls();
    expect(await talkTls(port)).toMatchObject({
      name: 'second',
      heard: expect.stringContaining('GET 127.0.0.1') as unknown,
    });
  });

  it("knows the client's address from a header before the handshake", async () => {
    const port = await open({ tls: first, proxyProtocol: { behavior: 'use_always', authorizedAddrs: [] } });
    const line = Buffer.from('PROXY TCP4 10.1.2.3 192.168.0.1 12345 443\r\n');
    for (const apart of [false, true])
      expect((await talkTls(port, line, apart)).heard).toContain('GET 10.1.2.3 12345;');
  });

  it('closes although a handshake is under way', async () => {
    const port = await open({ tls: first });
    const heard = talk(port, [Buffer.from([0x16, 0x03, 0x01])]);
    await new Promise((next) => setTimeout(next, 20));
    await opened.splice(0)[0]?.close(0);
    expect(await heard).toBe('');
  });
});
