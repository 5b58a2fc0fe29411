import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ApiError, ConnectionError } from './api-error.ts';
import { ApiClient } from './client.ts';
import type { ClientSettings } from './client.ts';

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

let server: Server;
let address = '';
let seen: Seen[] = [];
let answer: (response: ServerResponse, request: Seen) => void = () => undefined;
const folder = mkdtempSync(join(tmpdir(), 'coffer-client-'));

beforeAll(async () => {
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const one = {
        method: request.method ?? '',
        url: request.url ?? '',
        headers: request.headers,
        body: Buffer.concat(chunks).toString('utf8'),
      };
      seen.push(one);
      answer(response, one);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  address = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
});
afterAll(() => {
  rmSync(folder, { recursive: true });
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  seen = [];
});

const client = (more: Partial<ClientSettings> = {}): ApiClient =>
  new ApiClient({
    address,
    token: 'hvs.t',
    namespace: undefined,
    wrapTtl: undefined,
    caCertFile: undefined,
    clientCertFile: undefined,
    clientKeyFile: undefined,
    tlsServerName: undefined,
    skipVerify: false,
    timeoutMs: 5000,
    retriesMax: 0,
    headers: [],
    ...more,
  });
const replies =
  (status: number, body: string, headers: Record<string, string> = {}) =>
  (response: ServerResponse): void =>
    void response.writeHead(status, headers).end(body);

describe('the API client', () => {
  it('sends what the settings say, and escapes paths', async () => {
    answer = replies(200, '{"data":{"n":12345678901234567890}}');
    const found = await client({ namespace: 'ns/', mfa: ['a:1', 'b:2'], policyOverride: true }).send({
      method: 'GET',
      path: '/secret/data/a b?c%2F#d',
    });
    expect(JSON.stringify(found)).toBe('{"data":{"n":12345678901234567890}}');
    expect(seen[0]?.url).toBe('/v1/secret/data/a%20b%3Fc%252F%23d');
    expect(seen[0]?.headers).toMatchObject({
      'x-vault-token': 'hvs.t',
      'x-vault-request': 'true',
      'x-vault-namespace': 'ns/',
      'x-vault-mfa': 'a:1, b:2',
      'x-vault-policy-override': 'true',
    });
  });

  it('wraps sys/wrapping/wrap for five minutes unless told otherwise', async () => {
    answer = replies(200, '{}');
    await client().send({ method: 'PUT', path: 'sys/wrapping/wrap', body: {} });
    await client({ wrapTtl: '60s' }).send({ method: 'PUT', path: 'sys/wrapping/wrap', body: {} });
    await client().send({ method: 'PUT', path: 'sys/other', body: {} });
    expect(seen.map(({ headers }) => headers['x-vault-wrap-ttl'])).toEqual(['5m', '60s', undefined]);
  });

  it('explains refusals as Vault’s clients do', async () => {
    answer = replies(403, '{"errors":["permission denied","x"]}');
    const error = await client({ namespace: 'a' })
      .send({ method: 'GET', path: 'secret/x' })
      .catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(ApiError);
    expect((error as ApiError).message).toBe(
      `Error making API request.\n\nNamespace: a\nURL: GET ${address}/v1/secret/x\nCode: 403. Errors:\n\n* permission denied\n* x`,
    );
    answer = replies(502, '<html>bad gateway</html>');
    await expect(client().send({ method: 'GET', path: 'x' })).rejects.toThrow(
      'Code: 502. Raw Message:\n\n<html>bad gateway</html>',
    );
  });

  it('takes 429 for an answer about health alone', async () => {
    answer = replies(429, '{"standby":true}');
    await expect(client().send({ method: 'GET', path: 'sys/health' })).resolves.toEqual({ standby: true });
    await expect(client().send({ method: 'GET', path: 'secret/x' })).rejects.toThrow('Code: 429');
  });

  it.each([412, 500, 503])('tries again after %d, and not after 400, 404 and 501', async (status) => {
    answer = (response) => replies(seen.length === 1 ? status : 200, '{"data":{}}')(response);
    await client({ retriesMax: 1 }).send({ method: 'PUT', path: 'x', body: { a: 1 } });
    expect(seen.map(({ body }) => body)).toEqual(['{"a":1}', '{"a":1}']);
    for (const final of [400, 404, 501]) {
      seen = [];
      answer = replies(final, '{"errors":[]}');
      await expect(client({ retriesMax: 1 }).send({ method: 'GET', path: 'x' })).rejects.toThrow(ApiError);
      expect(seen).toHaveLength(1);
    }
  });

  it('follows one redirect with method, body and token, and none if told so', async () => {
    answer = (response, { url }) =>
      url === '/v1/a'
        ? replies(307, '', { location: `${address}/v1/b` })(response)
        : replies(200, '{"data":{}}')(response);
    await client().send({ method: 'PUT', path: 'a', body: { k: 'v' } });
    expect(seen.map(({ method, url, body }) => [method, url, body])).toEqual([
      ['PUT', '/v1/a', '{"k":"v"}'],
      ['PUT', '/v1/b', '{"k":"v"}'],
    ]);
    expect(seen[1]?.headers['x-vault-token']).toBe('hvs.t');
    seen = [];
    await client({ disableRedirects: true }).send({ method: 'GET', path: 'a' });
    expect(seen).toHaveLength(1);
  });

  it('ends a loop of redirects', async () => {
    answer = (response) => replies(307, '', { location: `${address}/v1/a` })(response);
    await client().send({ method: 'GET', path: 'a' });
    expect(seen).toHaveLength(2);
  });

  it('gives up a server that never answers, drops out, or is not there', async () => {
    answer = () => undefined;
    await expect(client({ timeoutMs: 50 }).send({ method: 'GET', path: 'x' })).rejects.toThrow(
      'context deadline exceeded',
    );
    answer = (response) => void setTimeout(() => response.writeHead(200).end('{}'), 300);
    expect(await client({ timeoutMs: 50 }).send({ method: 'GET', path: 'x', timeoutMsMin: 60_000 })).toEqual({});
    answer = (response) => {
      response.writeHead(200, { 'content-length': '100' }).write('{"data"');
      setTimeout(() => response.destroy(), 20);
    };
    await expect(client().send({ method: 'GET', path: 'x' })).rejects.toThrow(ConnectionError);
    await expect(client({ address: 'http://127.0.0.1:1' }).send({ method: 'GET', path: 'x' })).rejects.toThrow(
      'Get "http://127.0.0.1:1/v1/x": dial tcp 127.0.0.1:1: connect: connection refused',
    );
  });

  it('explains HTTP where HTTPS was asked for, without trying again', async () => {
    answer = replies(200, '{}');
    const secure = client({ address: address.replace('http:', 'https:'), retriesMax: 5 });
    await expect(secure.send({ method: 'GET', path: 'x' })).rejects.toThrow(
      'server gave HTTP response to HTTPS client',
    );
  });

  it('moves files in both directions, and keeps errors out of them', async () => {
    const [up, down] = [join(folder, 'up'), join(folder, 'down')];
    writeFileSync(up, 'bytes of a snapshot');
    answer = (response, { body }) => replies(200, body)(response);
    await client().transfer({ method: 'POST', path: 'x', bodyFile: up, answerFile: down });
    expect(readFileSync(down, 'utf8')).toBe('bytes of a snapshot');
    answer = replies(403, '{"errors":["no"]}');
    await expect(client().transfer({ method: 'GET', path: 'x', answerFile: join(folder, 'never') })).rejects.toThrow(
      '* no',
    );
    expect(existsSync(join(folder, 'never'))).toBe(false);
    await expect(client().transfer({ method: 'POST', path: 'x', bodyFile: join(folder, 'none') })).rejects.toThrow(
      'ENOENT',
    );
  });
});
