import { connectionCaution } from './connection-caution.ts';
import type { DatabaseSettings } from './remote-settings.ts';

const postgresql = (connectionUrl: string): DatabaseSettings => ({
  kind: 'postgresql',
  settings: {
    connectionUrl,
    table: 't',
    lockTable: 'l',
    parallelMax: 1,
    idleMax: 1,
    connectRetries: 0,
    createsTables: true,
  },
});
const etcd = (...addresses: readonly string[]): DatabaseSettings => ({
  kind: 'etcd',
  settings: { addresses, path: '/coffer/', requestMsMax: 1000 },
});

it.each([
  [postgresql('postgres://u:canary@db.example/x'), 'without TLS'],
  [postgresql('postgres://u:canary@db.example/x?sslmode=disable'), 'without TLS'],
  [postgresql('postgres://u:canary@db.example/x?sslmode=no-verify'), 'not verified (sslmode=no-verify)'],
  [
    postgresql('postgres://u:canary@db.example/x?sslmode=require&uselibpqcompat=true'),
    'not verified (sslmode=require)',
  ],
  [etcd('https://a:1', 'http://b:1'), 'etcd is reached without TLS'],
])('warns of a connection that others can change: %j', (database, caution) => {
  const said = connectionCaution(database, {});
  expect(said).toContain(caution);
  expect(said).not.toContain('canary');
});

it.each([
  [postgresql('postgres://u@db.example/x?sslmode=verify-full')],
  [postgresql('postgres://u@db.example/x?sslmode=require')],
  [postgresql('postgres://u@127.0.0.1:1/x')],
  [postgresql('postgres://u@[::1]:1/x')],
  [postgresql('postgres://u@localhost/x')],
  [postgresql('postgres://u@/x?host=/var/run/postgresql')],
  [postgresql('postgres://%2Fvar%2Frun/x')],
  [etcd('https://a:1', 'http://127.0.0.1:1')],
])('is silent about one that is safe: %j', (database) => {
  expect(connectionCaution(database, {})).toBeUndefined();
});

it('knows that the environment may ask for TLS', () => {
  expect(connectionCaution(postgresql('postgres://u@db.example/x'), { PGSSLMODE: 'verify-full' })).toBeUndefined();
  expect(connectionCaution(postgresql('postgres://u@db.example/x'), { PGSSLMODE: 'no-verify' })).toContain(
    'not verified',
  );
});
