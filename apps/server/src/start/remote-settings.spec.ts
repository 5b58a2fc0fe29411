import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EtcdConfig, PostgresqlConfig } from '@coffer/config';
import { remoteSettings } from './remote-settings.ts';

const at = { file: 'coffer.hcl', position: { line: 3, column: 7 } };
const postgresql: PostgresqlConfig = {
  kind: 'postgresql',
  at,
  table: 't',
  haTable: 'l',
  haEnabled: true,
  maxParallel: 8,
  maxIdleConnections: 1,
  maxConnectRetries: 1,
  skipCreateTable: false,
};
const etcd: EtcdConfig = { kind: 'etcd', at, path: '/coffer/', haEnabled: false, requestTimeoutSeconds: 5 };

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'remote-settings-'))));
afterEach(() => rmSync(folder, { recursive: true }));

function complaint(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return String(error);
  }
  throw new Error('nothing was refused');
}

it.each([
  'postgres://user@db.example.com/coffer?sslmode=verify-full',
  'postgresql://user:p%40ss@[::1]:5432/coffer',
  // By a socket: no host, which is no URL.
  'postgres://user@/coffer?host=/var/run/postgresql',
  'postgres:///coffer?host=/var/run/postgresql',
])('takes the address %s, from the environment before the file', (connectionUrl) => {
  for (const settings of [
    remoteSettings({ ...postgresql, connectionUrl }, undefined, {}),
    remoteSettings({ ...postgresql, connectionUrl: 'postgres://else' }, undefined, {
      COFFER_PG_CONNECTION_URL: connectionUrl,
    }),
  ])
    expect(settings.data).toMatchObject({ kind: 'postgresql', settings: { connectionUrl, lockTable: 'l' } });
});

it.each(['sslrootcert', 'sslcert', 'sslkey'])('names a missing file of %s, and no password', (name) => {
  const file = join(folder, 'a.pem');
  const connectionUrl = `postgres://user:canary@db/coffer?sslmode=verify-full&${name}=${file}`;
  const said = complaint(() => remoteSettings({ ...postgresql, connectionUrl }, undefined, {}));
  expect(said).toContain(`coffer.hcl:3:7: connection_url: ${name}: "${file}" cannot be read: ENOENT`);
  expect(said).not.toContain('canary');
  writeFileSync(file, 'x');
  expect(() => remoteSettings({ ...postgresql, connectionUrl }, undefined, {})).not.toThrow();
});

it('says what it wants where there is no address', () => {
  expect(complaint(() => remoteSettings(postgresql, undefined, {}))).toContain('expected connection_url');
  expect(complaint(() => remoteSettings(etcd, undefined, {}))).toContain('expected address');
});

it('reads the certificates of etcd at the start, and anew when they are asked for', () => {
  const tlsCaFile = join(folder, 'ca.pem');
  const config = { ...etcd, addresses: ['https://127.0.0.1:1'], tlsCaFile };
  expect(complaint(() => remoteSettings(config, undefined, {}))).toContain(
    `coffer.hcl:3:7: tls_ca_file: "${tlsCaFile}" cannot be read: ENOENT`,
  );
  writeFileSync(tlsCaFile, 'one');
  const { data } = remoteSettings(config, undefined, {});
  if (data.kind !== 'etcd') throw new Error('another database');
  expect(data.settings.tls?.()).toEqual({ ca: 'one' });
  writeFileSync(tlsCaFile, 'two');
  expect(data.settings.tls?.()).toEqual({ ca: 'two' });
});

it('elects where the storage is, in another database, or not at all', () => {
  const connectionUrl = 'postgres://db';
  const shared = remoteSettings({ ...postgresql, connectionUrl }, undefined, {});
  expect(shared.lock).toBe(shared.data);
  const alone = { ...postgresql, connectionUrl, haEnabled: false };
  expect(remoteSettings(alone, undefined, {}).lock).toBeUndefined();
  expect(remoteSettings(alone, { ...etcd, addresses: ['http://e:1'] }, {}).lock).toMatchObject({
    kind: 'etcd',
    settings: { addresses: ['http://e:1'] },
  });
});
