import { Agent, createServer, request as httpRequest } from 'node:http';
import type { IncomingHttpHeaders, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { silentLog, systemClock, systemRandom } from '@coffer/kernel';
import type { MaybePromise } from '@coffer/kernel';
import { NEVER_ABORTED } from '@coffer/sdk';
import type { Request } from '@coffer/sdk';
import type { Namespaces } from '@coffer/core-api';
import type { Pipeline, Rendered } from '@coffer/core-pipeline';
import { BodyBudget } from './body-budget.ts';
import type { CorsRules } from './cors.ts';
import { RequestHandler } from './request-handler.ts';
import type { HandlerOptions } from './request-handler.ts';
import { ResponseHeaders } from './response-headers.ts';

const namespaces = {
  byPath: () => undefined,
  resolve: (header: string, path: string) =>
    header === 'gone' ? undefined : { namespace: { id: 'root', path: header }, path },
} as unknown as Namespaces;

let servers: Server[] = [];
afterEach(() => {
  for (const server of servers) server.close().closeAllConnections();
  servers = [];
});

interface Served {
  readonly port: number;
  readonly seen: Request[];
}

async function serve(
  options: Partial<HandlerOptions> = {},
  cors?: CorsRules,
  answer: MaybePromise<Rendered> = {
    status: 200,
    headers: { 'content-type': 'application/json' },
    body: '{"ok":true}\n',
  },
  bodies?: BodyBudget,
): Promise<Served> {
  const seen: Request[] = [];
  const pipeline = {
    takesStream: () => false,
    handle: (request: Request) => {
      seen.push(request);
      return answer;
    },
  } as unknown as Pipeline;
  const handler = new RequestHandler(
    {
      pipeline,
      namespaces,
      clock: systemClock,
      random: systemRandom,
      log: silentLog,
      ...(cors ? { cors } : {}),
      ...(bodies ? { bodies } : {}),
    },
    { bodyBytesMax: 100, bodyTimeoutMs: 0, requestDurationMsMax: 90_000, ...options },
  );
  const server = createServer((message, response) => handler.handle(message, response));
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: (server.address() as AddressInfo).port, seen };
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

const agent = new Agent({ keepAlive: false });

function ask(
  { port }: Served,
  method: string,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  body?: string,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest({ port, host: '127.0.0.1', method, path, headers, agent }, (message) => {
      let heard = '';
      message.on('data', (chunk: Buffer) => (heard += chunk.toString()));
      message.on('end', () => resolve({ status: message.statusCode ?? 0, headers: message.headers, body: heard }));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

describe('a request over HTTP', () => {
  it.each([
    ['GET', '/v1/a/b', 'read', 'a/b'],
    ['GET', '/v1/a/b?list=true', 'list', 'a/b/'],
    ['GET', '/v1/a/b?list=True', 'list', 'a/b/'],
    ['GET', '/v1/a/b?scan=1', 'scan', 'a/b/'],
    ['GET', '/v1/a?help=1', 'help', 'a'],
    ['LINK', '/v1/a', 'list', 'a/'],
    ['BIND', '/v1/a/', 'scan', 'a/'],
    ['DELETE', '/v1/a', 'delete', 'a'],
    ['POST', '/v1/a', 'update', 'a'],
    ['PUT', '/v1/a', 'update', 'a'],
    ['HEAD', '/v1/sys/health', 'read', 'sys/health'],
    ['HEAD', '/v1/secret/a', 'head', 'secret/a'],
    ['POST', '/v1/a?help=1', 'help', 'a'],
    ['GET', '/v1/a?help=', 'read', 'a'],
  ])('%s %s is a %s of %s', async (method, target, operation, path) => {
    const served = await serve();
    expect(await ask(served, method, target)).toMatchObject({ status: 200 });
    expect(served.seen).toEqual([expect.objectContaining({ operation, path })]);
  });

  it.each([
    ['LOCK', '/v1/a', 405],
    ['OPTIONS', '/v1/a', 400],
    ['GET', '/v1/a?list=maybe', 400],
    ['GET', '/v1/a?list=true&scan=true', 400],
    ['PATCH', '/v1/a', 400],
    ['GET', '/v1/a/%2e%2e/b', 400],
    ['GET', '/v1/a//b', 307],
  ])('%s %s goes no further', async (method, target, status) => {
    const served = await serve();
    expect((await ask(served, method, target)).status).toBe(status);
    expect(served.seen).toEqual([]);
  });

  it('has its token from either header, and shows it in none', async () => {
    const served = await serve();
    await ask(served, 'GET', '/v1/a', { 'x-vault-token': 's.one' });
    await ask(served, 'GET', '/v1/a', { authorization: 'Bearer s.two' });
    await ask(served, 'GET', '/v1/a', { 'x-vault-token': 's.one', authorization: 'Bearer s.two' });
    await ask(served, 'GET', '/v1/a', { 'x-vault-token': '' });
    await ask(served, 'GET', '/v1/a', { authorization: 'Basic abc' });
    expect(served.seen.map(({ token }) => token?.reveal())).toEqual(['s.one', 's.two', 's.one', undefined, undefined]);
    expect(JSON.stringify(served.seen.map(({ headers }) => headers))).not.toContain('s.');
  });

  it('says for how long to wrap, in which namespace, and what it takes', async () => {
    const served = await serve();
    await ask(served, 'GET', '/v1/a?version=2&x=1&x=2', {
      'x-vault-wrap-ttl': '5m',
      'x-vault-wrap-format': 'JWT',
      'x-vault-namespace': 'team',
      'x-vault-no-request-forwarding': 'true',
      'x-vault-inconsistent': 'allow-stale',
    });
    expect(served.seen[0]).toMatchObject({
      wrapTtlSeconds: 300,
      wrapFormat: 'jwt',
      namespace: { path: 'team' },
      noForwarding: true,
      allowStale: true,
      connection: { remoteAddress: '127.0.0.1' },
    });
    expect({ ...served.seen[0]?.data }).toEqual({ version: '2', x: ['1', '2'] });
    for (const ttl of ['soon', '-5'])
      expect((await ask(served, 'GET', '/v1/a', { 'x-vault-wrap-ttl': ttl })).status).toBe(400);
    expect((await ask(served, 'GET', '/v1/a', { 'x-vault-namespace': 'gone' })).status).toBe(404);
    expect(served.seen).toHaveLength(1);
  });

  it('has data in JSON or of a form, and for PATCH only as a merge patch', async () => {
    const served = await serve();
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    await ask(served, 'POST', '/v1/a', {}, '{"n":1.50}');
    await ask(served, 'POST', '/v1/a', form, 'a=b&__proto__=c');
    await ask(served, 'POST', '/v1/a', form, '{"a":1}');
    await ask(served, 'PATCH', '/v1/a', { 'content-type': 'application/merge-patch+json' }, '{"a":null}');
    expect(served.seen.map(({ data }) => JSON.stringify(data))).toEqual([
      '{"n":1.50}',
      '{"a":"b","__proto__":"c"}',
      '{"a":1}',
      '{"a":null}',
    ]);
    const refused = await ask(served, 'PATCH', '/v1/a', { 'content-type': 'application/json' }, '{"a":1}');
    expect(refused.status).toBe(415);
    const secret = await ask(served, 'POST', '/v1/a', {}, '{"password":hunter2}');
    expect(secret).toMatchObject({ status: 400 });
    expect(secret.body).not.toContain('hunter2');
  });

  it('with too large a body is refused before it is sent, or when it grows, and the connection ends', async () => {
    const served = await serve();
    for (const head of [
      'Content-Length: 5000\r\n\r\n',
      `Transfer-Encoding: chunked\r\n\r\n40\r\n${'a'.repeat(64)}\r\n40\r\n${'a'.repeat(64)}\r\n`,
    ]) {
      const heard = await new Promise<string>((resolve) => {
        let text = '';
        const socket = connect(served.port, '127.0.0.1', () =>
          socket.write(`POST /v1/a HTTP/1.1\r\nHost: x\r\n${head}`),
        );
        socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
        socket.on('error', () => undefined).on('close', () => resolve(text));
      });
      expect(heard).toMatch(/^HTTP\/1\.1 413 [^]*connection: close\r\n/i);
    }
    expect(served.seen).toEqual([]);
  });

  it('is given up when its body trickles in, and costs the others nothing', async () => {
    const served = await serve({ bodyTimeoutMs: 40 });
    const trickle = (): Promise<string> =>
      new Promise((resolve) => {
        let text = '';
        const socket = connect(served.port, '127.0.0.1', () =>
          socket.write('POST /v1/a HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{"a":'),
        );
        socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
        socket.on('error', () => undefined).on('close', () => resolve(text));
      });
    const slow = Promise.all(Array.from({ length: 20 }, trickle));
    expect((await ask(served, 'POST', '/v1/a', {}, '{"a":1}')).status).toBe(200);
    for (const heard of await slow)
      expect(heard).toMatch(/^HTTP\/1\.1 408 [^]*connection: close\r\n[^]*"the request took too long to arrive"/i);
    expect(served.seen).toHaveLength(1);
  });

  it('whose body there is no room for is refused, and takes no room afterwards', async () => {
    const bodies = new BodyBudget(150);
    const held = Promise.withResolvers<Rendered>();
    const served = await serve({}, undefined, held.promise, bodies);
    const body = JSON.stringify({ a: 'x'.repeat(80) });
    const first = ask(served, 'POST', '/v1/a', {}, body);
    while (bodies.bytes === 0) await new Promise((next) => setTimeout(next, 2));
    const refused = await ask(served, 'POST', '/v1/b', {}, body);
    expect([refused.status, refused.headers['retry-after'], refused.headers.connection]).toEqual([503, '1', 'close']);
    expect(refused.body).toContain('try again');
    expect(served.seen).toHaveLength(1);
    held.resolve({ status: 204, headers: {}, body: undefined });
    expect((await first).status).toBe(204);
    while (bodies.bytes > 0) await new Promise((next) => setTimeout(next, 2));
    expect((await ask(served, 'POST', '/v1/c', {}, body)).status).toBe(204);
  });

  it('with a body that nobody reads ends its connection, and without one keeps it', async () => {
    const served = await serve();
    const heard = (head: string): Promise<string> =>
      new Promise((resolve) => {
        const socket = connect(served.port, '127.0.0.1', () => socket.write(head));
        socket.once('data', (chunk: Buffer) => {
          resolve(chunk.toString());
          socket.destroy();
        });
      });
    for (const method of ['GET', 'LINK', 'DELETE']) {
      expect(await heard(`${method} /v1/a HTTP/1.1\r\nHost: x\r\n\r\n`)).toMatch(/connection: keep-alive/i);
      expect(await heard(`${method} /v1/a HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{`)).toMatch(
        /connection: close/i,
      );
    }
  });

  it('says which state it must see, and what to do where that is not there', async () => {
    const served = await serve();
    for (const [headers, expected] of [
      [{ 'x-vault-index': 'djE6' }, { requiredState: 'djE6', allowStale: false }],
      [
        { 'x-vault-index': 'djE6', 'x-vault-inconsistent': 'fail' },
        { requiredState: 'djE6', whenBehind: 'fail' },
      ],
      [{ 'x-vault-inconsistent': 'forward-active-node' }, { whenBehind: 'forward', allowStale: false }],
      [{ 'x-vault-forward': 'active-node' }, { toActive: true }],
    ] as const) {
      expect((await ask(served, 'GET', '/v1/a', headers)).status).toBe(200);
      expect(served.seen.at(-1)).toMatchObject(expected);
    }
    for (const headers of [{ 'x-vault-inconsistent': 'maybe' }, { 'x-vault-forward': 'elsewhere' }] as const) {
      const refused = await ask(served, 'GET', '/v1/a', headers);
      expect(refused.status).toBe(400);
      expect(refused.body).toMatch(/X-Vault-(Inconsistent|Forward): expected/);
    }
    expect(served.seen).toHaveLength(4);
  });

  it('is cancelled with its client where it writes', async () => {
    const served = await serve();
    await ask(served, 'GET', '/v1/a');
    await ask(served, 'DELETE', '/v1/a');
    await ask(served, 'GET', '/v1/a', { 'x-vault-wrap-ttl': '60' });
    expect(served.seen.map(({ signal }) => signal === NEVER_ABORTED)).toEqual([true, false, false]);
  });

  it('that its client gives up half-way reaches nobody', async () => {
    const served = await serve();
    await new Promise<void>((resolve) => {
      const socket = connect(served.port, '127.0.0.1', () => {
        socket.write('POST /v1/a HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{"a":', () => socket.destroy());
      });
      socket.on('close', () => resolve());
    });
    expect((await ask(served, 'GET', '/v1/after')).status).toBe(200);
    expect(served.seen.map(({ path }) => path)).toEqual(['after']);
  });

  it('is answered with the headers of the listener', async () => {
    const responseHeaders = new ResponseHeaders({
      default: { 'strict-transport-security': 'max-age=1', 'x-a': 'all', 'cache-control': 'private' },
      '4xx': { 'x-a': 'class' },
      '404': { 'x-a': 'one' },
    });
    const served = await serve({ responseHeaders });
    const told = async (path: string): Promise<unknown> => {
      const { status, headers } = await ask(served, 'GET', path);
      expect(headers['strict-transport-security']).toBe('max-age=1');
      // Once: what the listener says stands in the place of what the answer says.
      expect(headers['cache-control']).toBe('private');
      return [status, headers['x-a']];
    };
    expect(await told('/v1/a')).toEqual([200, 'all']);
    expect(await told('/v1/a/..')).toEqual([400, 'class']);
    expect(await told('/v1//a')).toEqual([307, 'all']);
  });

  it('is answered with 500 where the answer has headers that no protocol can carry', async () => {
    const served = await serve({}, undefined, {
      status: 200,
      headers: { 'x-odd': 'a\r\nb: c' },
      body: 'secret',
    });
    expect(await ask(served, 'GET', '/v1/a')).toMatchObject({ status: 500, body: '' });
    expect((await ask(served, 'GET', '/v1/a/..')).status).toBe(400);
  });

  it('is refused where the proxies say nothing', async () => {
    const forwardedFor = {
      authorizedCidrs: ['127.0.0.1'],
      hopSkips: 0,
      rejectNotPresent: true,
      rejectNotAuthorized: true,
    };
    const served = await serve({ forwardedFor });
    expect((await ask(served, 'GET', '/v1/a')).status).toBe(400);
    await ask(served, 'GET', '/v1/a', { 'x-forwarded-for': '9.9.9.9' });
    expect(served.seen.map(({ connection }) => connection.remoteAddress)).toEqual(['9.9.9.9']);
  });
});

describe('a request from a web page', () => {
  const cors: CorsRules = {
    judge: (origin) => (origin === 'https://good' ? { allowedHeaders: ['X-Vault-Token', 'X-Own'] } : 'refused'),
  };

  it('is served where its origin is allowed, with headers that say so', async () => {
    const served = await serve({}, cors);
    expect(await ask(served, 'POST', '/v1/a', { origin: 'https://good' }, '{"a":1}')).toMatchObject({
      status: 200,
      headers: { 'access-control-allow-origin': 'https://good', vary: 'Origin', 'content-type': 'application/json' },
      body: '{"ok":true}\n',
    });
    expect(JSON.stringify(served.seen[0]?.data)).toBe('{"a":1}');
  });

  it('may bring what its browser knows of the user only where that is said', async () => {
    const header = async (rules: CorsRules) =>
      (await ask(await serve({}, rules), 'GET', '/v1/a', { origin: 'https://good' })).headers[
        'access-control-allow-credentials'
      ];
    expect(await header(cors)).toBeUndefined();
    expect(await header({ judge: () => ({ allowedHeaders: [], allowCredentials: true }) })).toBe('true');
  });

  it('is refused from other origins, before anything is done', async () => {
    const served = await serve({}, cors);
    for (const method of ['GET', 'OPTIONS']) {
      const answer = await ask(served, method, '/v1/a', { origin: 'https://bad' });
      expect(answer.status).toBe(403);
      expect(answer.headers['access-control-allow-origin']).toBeUndefined();
    }
    expect(served.seen).toEqual([]);
  });

  it('may be asked about first', async () => {
    const served = await serve({}, cors);
    const origin = 'https://good';
    const answer = await ask(served, 'OPTIONS', '/v1/a', { origin, 'access-control-request-method': 'LIST' });
    expect(answer).toMatchObject({
      status: 200,
      headers: {
        'access-control-allow-methods': 'DELETE,GET,OPTIONS,POST,PUT,PATCH,LIST,SCAN',
        'access-control-allow-headers': 'X-Vault-Token,X-Own',
        'access-control-max-age': '300',
      },
      body: '',
    });
    expect((await ask(served, 'OPTIONS', '/v1/a', { origin, 'access-control-request-method': 'TRACE' })).status).toBe(
      405,
    );
    expect(served.seen).toEqual([]);
  });

  it('is served without a word while CORS is off, and answered when the rules fail', async () => {
    const off = await ask(await serve({}, { judge: () => undefined }), 'GET', '/v1/a', { origin: 'https://bad' });
    expect(off).toMatchObject({ status: 200 });
    expect(off.headers['access-control-allow-origin']).toBeUndefined();
    const broken = await serve({}, { judge: () => Promise.reject(new Error('no storage')) });
    expect((await ask(broken, 'GET', '/v1/a', { origin: 'https://bad' })).status).toBe(500);
    expect((await ask(broken, 'GET', '/v1/a')).status).toBe(200);
  });
});
