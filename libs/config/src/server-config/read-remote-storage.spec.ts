import { ConfigError } from '../hcl/ast.ts';
import { parseServerConfig } from './load-server-config.ts';
import type { ServerConfig } from './server-config.ts';

const LISTENER = 'listener "tcp" { tls_disable = true }\n';
const URL = 'postgres://coffer:secret@db:5432/coffer';
const parse = (text: string): ServerConfig => parseServerConfig(`${text}\n${LISTENER}`, 'f.hcl');

function complaint(text: string): string {
  try {
    parse(text);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('storage "postgresql"', () => {
  it('has defaults for all but its address', () => {
    expect(parse(`storage "postgresql" { connection_url = "${URL}" }`).storage).toMatchObject({
      kind: 'postgresql',
      connectionUrl: URL,
      table: 'coffer_kv_store',
      haTable: 'coffer_ha_locks',
      haEnabled: false,
      maxParallel: 32,
      maxIdleConnections: 4,
      maxConnectRetries: 1,
      skipCreateTable: false,
    });
  });

  it('is read as Vault writes it, numbers and switches as texts', () => {
    const config = parse(`storage "postgresql" {
      connection_url = "${URL}"
      table = "vault.data"
      ha_table = "vault.locks"
      ha_enabled = "true"
      max_parallel = "7"
      max_idle_connections = 2
      max_connect_retries = "3"
      skip_create_table = "true"
    }`);
    expect(config.storage).toMatchObject({
      table: 'vault.data',
      haTable: 'vault.locks',
      haEnabled: true,
      maxParallel: 7,
    });
    expect(config.storage).toMatchObject({ maxIdleConnections: 2, maxConnectRetries: 3, skipCreateTable: true });
    expect(config.notes).toEqual([]);
  });

  it.each([
    ['table = "a; DROP TABLE b"', 2, 'table: expected the name of a table'],
    ['table = "same"\nha_table = "same"', 3, 'ha_table: expected another table than table'],
    ['max_parallel = 0', 2, 'max_parallel: expected a whole number from 1 to 10000'],
    ['connection_url = "mysql://user:hidden@db/x"', 2, 'connection_url: expected an address such as'],
  ])('refuses %s, saying where and what was expected', (setting, line, expected) => {
    const said = complaint(`storage "postgresql" {\n${setting}\n}`);
    expect(said).toContain(`f.hcl:${String(line)}:`);
    expect(said).toContain(expected);
    expect(said).not.toContain('hidden');
  });
});

describe('storage "etcd"', () => {
  it('has defaults, and takes several addresses', () => {
    expect(parse('storage "etcd" { address = "http://a:2379, https://b:2379" }').storage).toMatchObject({
      kind: 'etcd',
      addresses: ['http://a:2379', 'https://b:2379'],
      path: '/coffer/',
      haEnabled: false,
      requestTimeoutSeconds: 5,
    });
  });

  it.each([
    ['address = "a:2379"', 'address: expected client URLs'],
    ['discovery_srv = "example.com"', 'discovery_srv is not available'],
    ['tls_cert_file = "/a.pem"', 'tls_cert_file and tls_key_file: expected both, or neither'],
  ])('refuses %s', (setting, expected) => {
    expect(complaint(`storage "etcd" {\n${setting}\n}`)).toContain(expected);
  });
});

describe('ha_storage', () => {
  const data = `storage "postgresql" { connection_url = "${URL}" }\n`;

  it('elects for a storage that does not', () => {
    const { haStorage } = parse(`${data}ha_storage "etcd" { address = "http://a:2379" }`);
    expect(haStorage).toMatchObject({ kind: 'etcd', haEnabled: true });
    expect(parse(`${data}ha_storage "postgresql" { ha_table = "l" }`).haStorage).toMatchObject({ haTable: 'l' });
  });

  it.each([
    [`${data}ha_storage "raft" { path = "/x" }`, 'f.hcl:2:1: ha_storage "raft" is not available'],
    [`${data}ha_storage "inmem" {}`, 'f.hcl:2:1: ha_storage "inmem": expected ha_storage "postgresql" or "etcd"'],
    [`${data}ha_storage "etcd" { ha_enabled = false }`, 'ha_enabled: expected true in ha_storage'],
    [
      `storage "raft" { path = "/x" }\nha_storage "etcd" {}`,
      'f.hcl:2:1: ha_storage: expected none beside storage "raft"',
    ],
    [`storage "inmem" {}\nha_storage "etcd" {}`, 'ha_storage: expected none beside storage "inmem"'],
    [
      `storage "etcd" { ha_enabled = true }\nha_storage "postgresql" {}`,
      'expected none beside ha_enabled = true of storage "etcd"',
    ],
    [`${data}ha_storage "etcd" {}\nha_storage "etcd" {}`, 'f.hcl:3:1: expected one ha_storage block only'],
  ])('refuses %s', (text, expected) => {
    expect(complaint(text)).toContain(expected);
  });
});
