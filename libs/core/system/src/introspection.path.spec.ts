import type { PluginSource } from '@coffer/core-api';
import { counterPaths, introspectionPaths } from './introspection.path.ts';
import { loggerPaths } from './loggers.path.ts';
import type { NodeOperations } from './node-operations.ts';
import { pluginCatalogPaths } from './plugin-catalog.path.ts';
import { rawPaths } from './raw.path.ts';
import { MemoryView, caller, outcome } from './test-world.fixture.ts';
import { versionHistoryPaths } from './version-history.path.ts';
import { recordVersion } from './version-history.ts';

function world() {
  const levels = new Map([['core', 'info']]);
  const node = {
    sanitizedConfig: () => ({ log_level: 'info' }),
    requestsInFlight: () => ({ r1: { request_path: '/v1/sys/in-flight-req' } }),
    reload: (subsystem: string) => Promise.resolve(subsystem === 'tls'),
    metrics: (format: string) => `as ${format}`,
    logLevels: () => levels,
    setLogLevel: (name: string | undefined, level: string) => {
      if (name !== undefined && !levels.has(name)) return false;
      levels.set(name ?? 'core', level);
      return true;
    },
    resetLogLevel: (name: string | undefined) => name === undefined || levels.has(name),
  } as unknown as NodeOperations;
  return caller([...introspectionPaths(node), ...loggerPaths(node)]);
}

describe('introspection', () => {
  it('tells of the machine', async () => {
    expect(await outcome(world().call('read', 'host-info'))).toMatchObject({
      timestamp: '2023-11-14T22:13:20.000Z',
      host: { hostname: expect.any(String), os: process.platform },
      memory: { total: expect.any(Number) },
      disk: [{ path: '/', total: expect.any(Number) }],
    });
  });

  it('tells of requests, configuration and metrics', async () => {
    const { call } = world();
    expect(await call('read', 'in-flight-req')).toMatchObject({ bare: true, data: { r1: {} } });
    expect(await outcome(call('read', 'config/state/sanitized'))).toEqual({ log_level: 'info' });
    expect((await call('read', 'metrics'))?.raw).toMatchObject({ contentType: 'application/json', body: 'as json' });
    const text = (await call('read', 'metrics', { format: 'prometheus' }))?.raw;
    expect(text).toMatchObject({ contentType: 'text/plain; version=0.0.4; charset=utf-8', body: 'as prometheus' });
    expect(await outcome(call('read', 'metrics', { format: 'xml' }))).toEqual([
      400,
      'metric response format "xml" unknown',
    ]);
  });

  it('reloads what it knows', async () => {
    const { call } = world();
    expect(await outcome(call('update', 'config/reload/tls'))).toBeUndefined();
    expect(await outcome(call('update', 'config/reload/none'))).toEqual([404, 'unsupported path']);
  });

  it('counts', async () => {
    const { call } = caller(
      counterPaths(() => ({ tokens: () => Promise.resolve(3), entities: () => Promise.resolve(2) })),
    );
    expect(await outcome(call('read', 'internal/counters/tokens'))).toEqual({
      counters: { service_tokens: { total: 3 } },
    });
    expect(await outcome(call('read', 'internal/counters/entities'))).toEqual({ counters: { entities: { total: 2 } } });
    expect(await outcome(call('read', 'internal/counters/requests'))).toEqual([
      404,
      'The functionality has been removed on this path',
    ]);
  });
});

describe('sys/loggers', () => {
  it('shows and changes levels', async () => {
    const { call } = world();
    expect(await outcome(call('read', 'loggers/core'))).toEqual({ core: 'info' });
    await call('update', 'loggers/core', { level: 'WARNING' });
    expect(await outcome(call('read', 'loggers'))).toEqual({ core: 'warn' });
    expect(await outcome(call('read', 'loggers/no-such-logger'))).toEqual({});
    expect(await outcome(call('delete', 'loggers/core'))).toBeUndefined();
  });

  it.each<[string, Record<string, unknown>, string]>([
    ['loggers/core', { level: 'loud' }, 'invalid level provided: unknown log level: loud'],
    ['loggers/no-such-logger', { level: 'debug' }, 'logger "no-such-logger" not found'],
    ['loggers', { level: 'verbose' }, 'invalid level provided: unknown log level: verbose'],
    ['loggers', {}, 'level is required'],
  ])('refuses %s %j', async (path, sent, text) => {
    expect(await outcome(world().call('update', path, sent))).toEqual([400, text]);
  });

  it('does not reset what it does not know', async () => {
    expect(await outcome(world().call('delete', 'loggers/none'))).toEqual([400, 'logger "none" not found']);
  });
});

describe('sys/version-history', () => {
  it('remembers each version once, oldest first', async () => {
    const view = new MemoryView();
    const { call } = caller(versionHistoryPaths, view);
    expect(await call('list', 'version-history')).toBeUndefined();
    await recordVersion(view, { version: '1.9.0', buildDate: '' }, 1000);
    await recordVersion(view, { version: '1.10.0', buildDate: 'today' }, 2000);
    await recordVersion(view, { version: '1.9.0', buildDate: '' }, 3000);
    expect(await outcome(call('list', 'version-history'))).toEqual({
      keys: ['1.9.0', '1.10.0'],
      key_info: {
        '1.9.0': {
          previous_version: null,
          timestamp_installed: '1970-01-01T00:00:01.000Z',
          build_date: '',
          commit_date: '',
        },
        '1.10.0': {
          previous_version: '1.9.0',
          timestamp_installed: '1970-01-01T00:00:02.000Z',
          build_date: 'today',
          commit_date: 'today',
        },
      },
    });
  });
});

describe('sys/plugins/catalog', () => {
  const plugins = {
    list: (kind: string) =>
      kind === 'secret' ? [{ kind, names: ['kv', 'kv-v2'] }] : kind === 'auth' ? [{ kind, names: ['userpass'] }] : [],
  } as unknown as PluginSource;
  const { call } = caller(pluginCatalogPaths({ plugins, version: '1.0.0' }));

  it('lists what can be mounted', async () => {
    expect(await outcome(call('read', 'plugins/catalog'))).toMatchObject({ auth: ['userpass'], secret: ['kv'] });
    expect(await outcome(call('list', 'plugins/catalog/secret'))).toEqual({ keys: ['kv'] });
    expect(await outcome(call('list', 'plugins/catalog/nonsense'))).toEqual([405, 'unsupported operation']);
    expect(await outcome(call('read', 'plugins/catalog/secret/kv'))).toMatchObject({ name: 'kv', builtin: true });
    expect(await outcome(call('read', 'plugins/catalog/secret'))).toEqual([405, 'unsupported operation']);
    expect(await call('read', 'plugins/catalog/kv')).toMatchObject({ status: 200, warnings: [expect.any(String)] });
    expect(await call('read', 'plugins/catalog/secret/none')).toBeUndefined();
    expect(await call('read', 'plugins/catalog/constructor/kv')).toBeUndefined();
  });

  it.each<[Record<string, unknown>, number, string]>([
    [{ command: 'x' }, 400, 'missing SHA-256 value'],
    [{ sha256: 'd17c' }, 400, 'missing command value'],
    [{ sha256: 'zz', command: 'x' }, 400, 'Could not decode SHA-256 value from Hex'],
    [{ sha256: 'd17c', command: 'x', version: 'no' }, 400, 'version "no" is not a valid semantic version'],
    [{ sha256: 'd17c', command: 'x' }, 500, 'plugin directory is not configured'],
  ])('registers nothing: %j', async (sent, status, text) => {
    const said = await outcome(call('update', 'plugins/catalog/secret/mine', sent));
    expect(said).toEqual([status, expect.stringContaining(text)]);
  });
});

describe('sys/raw', () => {
  const store = new MemoryView();
  const { call } = caller(rawPaths);
  const raw = (operation: 'read' | 'update' | 'delete' | 'list', path: string, sent: Record<string, unknown> = {}) =>
    outcome(call(operation, path, sent, { transaction: store }));

  it('reads, writes, lists and deletes', async () => {
    expect(await raw('update', 'raw/a/b', { value: 'text' })).toBeUndefined();
    expect(await raw('read', 'raw/a/b')).toEqual({ value: 'text' });
    expect(await raw('read', 'raw/a/b', { encoding: 'base64' })).toEqual({ value: 'dGV4dA==' });
    expect(await raw('list', 'raw/a/')).toEqual({ keys: ['b'] });
    expect(await raw('delete', 'raw/a/b')).toBeUndefined();
    expect(await raw('read', 'raw/a/b')).toBeUndefined();
  });

  it.each(['raw/core/keyring', 'raw/core/seal-config', 'raw/core/seal/root-key', 'raw/core/derivation-key'])(
    'keeps %s to itself',
    async (path) => {
      const text = `cannot access '${path.slice(4)}'`;
      for (const operation of ['read', 'update', 'delete'] as const) {
        expect(await raw(operation, path, { value: 'x' })).toEqual([400, text]);
      }
    },
  );

  it.each<[string, Record<string, unknown>, string]>([
    ['raw/a/../core/keyring', { value: 'x' }, 'path cannot contain ".."'],
    ['raw/a', {}, 'missing value'],
    ['raw', { value: 'x' }, 'missing path'],
    ['raw/a', { value: '!', encoding: 'base64' }, 'value is not base64'],
    ['raw/a', { value: 'x', encoding: 'hex' }, 'invalid encoding "hex": expected "base64" or nothing'],
  ])('refuses to write %s %j', async (path, sent, text) => {
    expect(await raw('update', path, sent)).toEqual([400, text]);
  });
});
