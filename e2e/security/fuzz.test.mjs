/**
 * All declared paths with values of all kinds, by clients that have every right and by such that have none: whatever comes,
 * the server goes on, says what was wrong in the form that clients know, and tells nothing of its insides.
 *
 * COFFER_FUZZ_SECONDS (10) is for how long, COFFER_FUZZ_SEED which requests: a failure names its seed and its request.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { SeededRandom } from '../../libs/testing/dist/sim/seeded-random.js';
import { call, startDevServer } from '../cluster.mjs';

const SECONDS = Number(process.env.COFFER_FUZZ_SECONDS ?? 10);
const SEED = Number(process.env.COFFER_FUZZ_SEED ?? 20261124);
/** Of no value that is sent: it must not be revoked. */
const ROOT = 'fuzzing-root-token';

/** What ends or seals the server, or writes files where it is told to, by design. */
const LEFT_OUT =
  /^\/sys\/(seal|step-down|raw|audit\/|storage\/raft|rotate|init|unseal|generate-root|rekey|loggers|policies\/password)|revoke-self/;

const big = 'a'.repeat(100_000);
const TEXTS = [
  '',
  'a',
  'root',
  ' Root ',
  'ROOT\u200b',
  '\uff52oot',
  '*',
  '+',
  '+*',
  '../x',
  './',
  '/',
  `${'/'.repeat(200_000)}x`,
  `${' '.repeat(200_000)}x`,
  ','.repeat(20_000),
  '={}',
  '{{identity.entity.id}}',
  '__proto__',
  'constructor',
  'a\r\nX-Injected: 1',
  'a\u0000b',
  '\ud800',
  '\u202egpj.exe',
  '1e3',
  '0x10',
  '-1',
  '9'.repeat(40),
  '1h',
  '-1h',
  '9223372036s',
  '9223372037s',
  '1.5h',
  'NaN',
  'Infinity',
  '2026-01-01T00:00:00Z',
  '0000-01-01T00:00:00Z',
  '99999-01-01T00:00:00Z',
  '10.0.0.0/8',
  '::ffff:1.2.3.4/200',
  '{"a":{"b":1}}',
  '['.repeat(50_000),
  `{"a":${'['.repeat(2000)}${']'.repeat(2000)}}`,
  '$2a$10$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',
  'aHZzLg==',
  'hvs.abc',
  'hvb.AAAA',
  'path "a" { capabilities = ["read"] }',
  `path "a" { ${'a = {'.repeat(5000)}`,
  '-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n-----END PGP PUBLIC KEY BLOCK-----',
  big,
];
/** As they are in JSON: some of these JavaScript cannot hold. */
const NUMBERS = [
  '0',
  '-0',
  '1',
  '-1',
  '0.5',
  '1e3',
  '1.0',
  '1e400',
  '-1e400',
  '9007199254740993',
  '9223372036854775808',
];
const OTHERS = ['null', 'true', 'false', '[]', '{}', '[[]]', '[null]', '{"__proto__":{"a":1}}', '{"a":"b","A":"c"}'];

/** One value, as JSON. */
function valueOf(random, names) {
  const kind = random.below(10);
  if (kind < 5) return JSON.stringify(random.pick(TEXTS));
  if (kind < 7) return random.pick(NUMBERS);
  if (kind < 8) return random.pick(OTHERS);
  const inner = Array.from({ length: 1 + random.below(3) }, () => valueOf(random, names));
  if (kind < 9) return `[${inner.join()}]`;
  return `{${inner.map((value) => `${JSON.stringify(random.pick(names))}:${value}`).join()}}`;
}

const segmentOf = (random) =>
  encodeURIComponent(
    random.pick(['a', 'b', 'root', 'default', 'x'.repeat(3000), '__proto__', 'A', 'ä', 'a b', '*', '0']),
  );

describe('a server that is sent anything', () => {
  let server;
  let folder;
  let operations;
  const tokens = new Map();

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'coffer-fuzz-'));
    server = await startDevServer({ token: ROOT });
    const root = { token: ROOT };
    await call(server.url, 'POST', 'sys/auth/userpass', { ...root, body: { type: 'userpass' } });
    await call(server.url, 'POST', 'sys/auth/approle', { ...root, body: { type: 'approle' } });
    await call(server.url, 'POST', 'sys/mounts/kv', { ...root, body: { type: 'kv' } });
    // All that is sent and answered goes through its formatting, too.
    const options = { file_path: join(folder, 'audit.log') };
    assert.equal(
      (await call(server.url, 'PUT', 'sys/audit/file', { ...root, body: { type: 'file', options } })).status,
      204,
    );
    const { body } = await call(server.url, 'GET', 'sys/internal/specs/openapi', root);
    operations = Object.entries(body.paths).flatMap(([path, item]) =>
      LEFT_OUT.test(path)
        ? []
        : ['get', 'post', 'delete', 'patch'].flatMap((method) =>
            item[method] ? [{ method: method.toUpperCase(), path, fields: fieldsOf(body, item[method], path) }] : [],
          ),
    );
    assert.ok(operations.length > 100, `${operations.length} operations are declared`);
  });
  after(async () => {
    await server?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  function fieldsOf(specification, operation, path) {
    const schema = operation.requestBody?.content?.['application/json']?.schema;
    const named = schema?.$ref ? specification.components.schemas[schema.$ref.split('/').at(-1)] : schema;
    const names = Object.keys(named?.properties ?? {});
    return names.length > 0 ? names : path.startsWith('/kv') || path.startsWith('/cubbyhole') ? ['a', '__proto__'] : [];
  }

  async function freshTokens() {
    const make = async (body) =>
      (await call(server.url, 'POST', 'auth/token/create-orphan', { token: ROOT, body })).body?.auth?.client_token;
    tokens.set('default', await make({ policies: ['default'] }));
    tokens.set('batch', await make({ policies: ['default'], type: 'batch' }));
    tokens.set('few uses', await make({ policies: ['default'], num_uses: 20 }));
  }

  function requestOf(random) {
    const { method, path, fields } = random.pick(operations);
    const filled = path.replaceAll(/\{[^}]+\}/g, () => segmentOf(random)) + (random.below(20) === 0 ? '/' : '');
    const names = [...fields, 'unknown', '__proto__'];
    const members = Array.from({ length: random.below(5) }, () => [random.pick(names), valueOf(random, names)]);
    const isRead = method === 'GET' || method === 'DELETE';
    const list = method === 'GET' && random.below(4) === 0;
    const query = list
      ? '?list=true'
      : isRead && members[0]
        ? `?${members[0][0]}=${encodeURIComponent(members[0][1].slice(0, 200))}`
        : '';
    const headers = {
      'X-Vault-Token': tokens.get(random.pick(['root', 'root', 'root', 'default', 'batch', 'few uses', 'none'])) ?? '',
    };
    if (random.below(10) === 0)
      headers['X-Vault-Wrap-TTL'] = random.pick(['60', '1s', '0', '-1', '9223372036s', '1e3', 'x', '9'.repeat(40)]);
    if (random.below(20) === 0)
      headers['X-Vault-Namespace'] = random.pick(['root', '..', 'a/../b', 'ROOT', '%2e%2e', 'a']);
    if (random.below(20) === 0)
      headers['X-Vault-Index'] = random.pick(['', 'a', 'djE6YToxOjE6YQ==', big.slice(0, 5000)]);
    if (method === 'PATCH') headers['Content-Type'] = 'application/merge-patch+json';
    else if (random.below(20) === 0) headers['Content-Type'] = 'application/x-www-form-urlencoded';
    const body = isRead ? undefined : `{${members.map(([name, value]) => `${JSON.stringify(name)}:${value}`).join()}}`;
    return { method, template: path, url: `${server.url}/v1${filled}${query}`, headers, body };
  }

  it(`goes on, for ${SECONDS} s (seed ${SEED})`, { timeout: (SECONDS + 120) * 1000 }, async () => {
    tokens.set('root', ROOT);
    await freshTokens();
    const random = new SeededRandom(SEED);
    const endMs = Date.now() + SECONDS * 1000;
    const statuses = new Map();
    const surprises = new Map();
    let sent = 0;
    const one = async () => {
      const { method, template, url, headers, body } = requestOf(random);
      const shown = `${method} ${url.slice(0, 300)} ${JSON.stringify(headers).slice(0, 300)} ${body?.slice(0, 600)}`;
      // Bounded for a server that hangs; what is slow is no failure here.
      const signal = AbortSignal.timeout(60_000);
      const answer = await fetch(url, { method, headers, body, signal, redirect: 'manual' }).catch((error) => {
        throw new Error(
          `no answer (${error.cause?.code ?? error.name}) to ${shown}\n${server.process.log.slice(-1500)}`,
        );
      });
      const text = await answer.text();
      statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
      sent++;
      // Vault says 500 to some mistakes of clients, with a text; this one is for what nobody thought of.
      if (/"internal error"|audit/.test(text) && answer.status === 500) surprises.set(`${method} ${template}`, shown);
      assert.equal(answer.headers.get('x-injected'), null, shown);
      if (text !== '' && answer.headers.get('content-type')?.includes('json')) {
        const told = JSON.parse(text);
        if (answer.status >= 400)
          assert.ok(Array.isArray(told.errors) || told.data !== undefined, `${text} to ${shown}`);
      }
      if (answer.status >= 400)
        assert.doesNotMatch(text, /\bat .*\.(js|ts):\d+|node_modules|RangeError|TypeError/, shown);
    };
    while (Date.now() < endMs) {
      await Promise.all(Array.from({ length: 8 }, one));
      if (sent % 800 === 0) await freshTokens();
    }
    assert.ok(server.process.alive, server.process.log.slice(-3000));
    assert.deepEqual([...surprises], [], server.process.log.slice(-5000));
    assert.equal((await call(server.url, 'GET', 'sys/health')).status, 200);
    // Most of it must have got past the first check, or nothing was tried.
    assert.ok((statuses.get(200) ?? 0) + (statuses.get(204) ?? 0) > sent / 20, JSON.stringify([...statuses]));
  });
});
