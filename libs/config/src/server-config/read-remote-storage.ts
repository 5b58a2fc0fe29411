import { ConfigError } from '../hcl/ast.ts';
import type { HclObject, Position } from '../hcl/ast.ts';
import { ETCD_NOT_IN_EFFECT } from './known-members.ts';
import { optional } from './read-listener.ts';
import { BlockReader } from './reader.ts';
import type { Block, ConfigNote } from './reader.ts';
import type { EtcdConfig, HaStorageConfig, PostgresqlConfig, StorageConfig } from './server-config.ts';

const TABLE = /^(?:[A-Za-z_][A-Za-z0-9_]{0,47}\.)?[A-Za-z_][A-Za-z0-9_]{0,47}$/;
const COUNT_MAX = 10_000;

/** `storage "postgresql" { … }` and `storage "etcd" { … }`, and the same as `ha_storage`. @throws ConfigError */
export function readRemoteStorage(
  file: string,
  type: 'postgresql' | 'etcd',
  body: HclObject,
  at: Position,
  role: 'storage' | 'ha_storage',
): { readonly storage: HaStorageConfig; readonly notes: readonly ConfigNote[] } {
  const reader = new BlockReader(file, body);
  const place = { file, position: at };
  // What elects the active node does so without being told.
  const haEnabled = reader.bool('ha_enabled') ?? role === 'ha_storage';
  if (role === 'ha_storage' && !haEnabled)
    throw reader.error(
      reader.position('ha_enabled'),
      'ha_enabled: expected true in ha_storage, which is there for nothing else',
    );
  const storage = type === 'postgresql' ? readPostgresql(reader, place, haEnabled) : readEtcd(reader, place, haEnabled);
  const notes = type === 'etcd' ? reader.notInEffect(ETCD_NOT_IN_EFFECT) : [];
  return { storage, notes: [...notes, ...reader.rest()] };
}

function readPostgresql(reader: BlockReader, at: PostgresqlConfig['at'], haEnabled: boolean): PostgresqlConfig {
  const url = reader.text('connection_url');
  if (url !== undefined && url !== '' && !/^postgres(ql)?:\/\//.test(url))
    // The value may hold a password: it is not repeated.
    throw reader.error(
      reader.position('connection_url'),
      'connection_url: expected an address such as "postgres://user:password@db.example.com:5432/coffer"',
    );
  const table = readTable(reader, 'table', 'coffer_kv_store');
  const haTable = readTable(reader, 'ha_table', 'coffer_ha_locks');
  if (table === haTable) throw reader.error(reader.position('ha_table'), 'ha_table: expected another table than table');
  return {
    kind: 'postgresql',
    at,
    ...optional('connectionUrl', url === '' ? undefined : url),
    table,
    haTable,
    haEnabled,
    maxParallel: reader.int('max_parallel', { min: 1, max: COUNT_MAX }) ?? 32,
    maxIdleConnections: reader.int('max_idle_connections', { min: 0, max: COUNT_MAX }) ?? 4,
    maxConnectRetries: reader.int('max_connect_retries', { min: 0, max: COUNT_MAX }) ?? 1,
    skipCreateTable: reader.bool('skip_create_table') ?? false,
  };
}

function readTable(reader: BlockReader, name: string, otherwise: string): string {
  const table = reader.text(name) ?? otherwise;
  if (!TABLE.test(table))
    throw reader.error(
      reader.position(name),
      `${name}: expected the name of a table, perhaps behind a schema and a dot: letters, digits and "_", at most 48 each`,
    );
  return table;
}

function readEtcd(reader: BlockReader, at: EtcdConfig['at'], haEnabled: boolean): EtcdConfig {
  if (reader.has('discovery_srv') || reader.has('discovery_srv_name'))
    throw reader.error(
      reader.position(reader.has('discovery_srv') ? 'discovery_srv' : 'discovery_srv_name'),
      'discovery_srv is not available: name the nodes of etcd by address',
    );
  const addresses = reader.texts('address');
  for (const address of addresses ?? []) {
    if (!/^https?:\/\/[^/\s?#@]+\/?$/.test(address))
      throw reader.error(
        reader.position('address'),
        'address: expected client URLs such as "https://10.0.0.1:2379", separated by commas',
      );
  }
  const path = reader.text('path') ?? '/coffer/';
  const certFile = reader.text('tls_cert_file');
  const keyFile = reader.text('tls_key_file');
  if ((certFile === undefined) !== (keyFile === undefined))
    throw reader.error(
      reader.position(certFile === undefined ? 'tls_key_file' : 'tls_cert_file'),
      'tls_cert_file and tls_key_file: expected both, or neither',
    );
  return {
    kind: 'etcd',
    at,
    ...optional('addresses', addresses && addresses.length > 0 ? addresses : undefined),
    path: path.endsWith('/') ? path : `${path}/`,
    haEnabled,
    ...optional('username', reader.text('username')),
    ...optional('password', reader.text('password')),
    ...optional('tlsCaFile', reader.text('tls_ca_file')),
    ...optional('tlsCertFile', certFile),
    ...optional('tlsKeyFile', keyFile),
    requestTimeoutSeconds: reader.duration('request_timeout') || 5,
  };
}

/** `ha_storage "…" { … }`. @throws ConfigError, also for what cannot elect anybody */
export function readHaStorage(
  file: string,
  { type, body, at }: Block,
): { readonly haStorage: HaStorageConfig; readonly notes: readonly ConfigNote[] } {
  if (type === 'raft')
    throw new ConfigError(
      file,
      at,
      'ha_storage "raft" is not available: raft elects the active node where it is the storage itself',
    );
  if (type !== 'postgresql' && type !== 'etcd')
    throw new ConfigError(file, at, `ha_storage "${type}": expected ha_storage "postgresql" or "etcd"`);
  const { storage, notes } = readRemoteStorage(file, type, body, at, 'ha_storage');
  return { haStorage: storage, notes };
}

/** Two that elect, or nothing to elect for. @throws ConfigError */
export function refuseContradiction(storage: StorageConfig, { at }: HaStorageConfig): void {
  const refuse = (text: string): never => {
    throw new ConfigError(at.file, at.position, text);
  };
  if (storage.kind === 'raft')
    refuse('ha_storage: expected none beside storage "raft", which elects the active node by itself');
  if (storage.kind === 'inmem') refuse('ha_storage: expected none beside storage "inmem", which no other node can see');
  if ((storage.kind === 'postgresql' || storage.kind === 'etcd') && storage.haEnabled)
    refuse(`ha_storage: expected none beside ha_enabled = true of storage "${storage.kind}": only one can elect`);
}
