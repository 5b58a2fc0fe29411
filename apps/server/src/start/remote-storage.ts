import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { ConfigError } from '@coffer/config';
import type { EtcdConfig, HaStorageConfig, PostgresqlConfig } from '@coffer/config';
import { ForwardPort, isNodeId } from '@coffer/cluster';
import type { ForwardChannel } from '@coffer/cluster';
import type { Clock, Log, Random } from '@coffer/kernel';
import { StorageError } from '@coffer/storage';
import type { NodeAddress } from '@coffer/storage';
import {
  RemoteBackend,
  Unreachable,
  etcdLock,
  etcdStore,
  postgresqlLock,
  postgresqlStore,
} from '@coffer/storage-remote';
import type {
  BeforeLeading,
  EtcdSettings,
  EtcdTls,
  LockStore,
  PostgresqlSettings,
  RemoteStore,
} from '@coffer/storage-remote';
import { refuseMigrating } from '../migrate/marker.ts';
import type { AuthorityTimes } from '../node/cluster-tls.ts';
import { RemoteMember } from '../node/remote-member.ts';
import { COFFER_VERSION, DATA_FORMAT } from '../node/version.ts';
import { connectionCaution } from './connection-caution.ts';
import { programGuard } from './newest-program.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** A database, and what elects the active node. */
export interface RemoteSettings {
  readonly kind: 'remote';
  readonly data: DatabaseSettings;
  /** Undefined: this node is the only one. */
  readonly lock: DatabaseSettings | undefined;
}

export type DatabaseSettings =
  | { readonly kind: 'postgresql'; readonly settings: PostgresqlSettings }
  | { readonly kind: 'etcd'; readonly settings: EtcdSettings };

/** @throws ConfigError for what neither the file nor the environment says */
export function remoteSettings(
  storage: PostgresqlConfig | EtcdConfig,
  haStorage: HaStorageConfig | undefined,
  env: Environment,
): RemoteSettings {
  const data = databaseSettings(storage, env);
  if (haStorage) return { kind: 'remote', data, lock: databaseSettings(haStorage, env) };
  return { kind: 'remote', data, lock: storage.haEnabled ? data : undefined };
}

function databaseSettings(config: PostgresqlConfig | EtcdConfig, env: Environment): DatabaseSettings {
  return config.kind === 'etcd'
    ? { kind: 'etcd', settings: etcdSettings(config, env) }
    : { kind: 'postgresql', settings: postgresqlSettings(config, env) };
}

function postgresqlSettings(config: PostgresqlConfig, env: Environment): PostgresqlSettings {
  const connectionUrl = env['COFFER_PG_CONNECTION_URL'] || env['VAULT_PG_CONNECTION_URL'] || config.connectionUrl;
  if (connectionUrl === undefined)
    throw new ConfigError(
      config.at.file,
      config.at.position,
      'storage "postgresql": expected connection_url, or COFFER_PG_CONNECTION_URL in the environment',
    );
  checkFilesOf(connectionUrl, config);
  return {
    connectionUrl,
    table: config.table,
    lockTable: config.haTable,
    parallelMax: config.maxParallel,
    idleMax: config.maxIdleConnections,
    connectRetries: config.maxConnectRetries,
    createsTables: !config.skipCreateTable,
  };
}

/** The driver reads them with each connection: what is missing at the start is said by name. The URL is not repeated. */
function checkFilesOf(connectionUrl: string, config: PostgresqlConfig): void {
  // Not every address that the driver takes is a URL: a host may be left out.
  const parameters = new URLSearchParams(connectionUrl.split('?')[1] ?? '');
  for (const name of ['sslrootcert', 'sslcert', 'sslkey'])
    fileText(config, `connection_url: ${name}`, parameters.get(name) || undefined);
}

function etcdSettings(config: EtcdConfig, env: Environment): EtcdSettings {
  const fromEnvironment = env['ETCD_ADDR']?.split(',').filter((address) => address !== '') ?? [];
  const addresses = fromEnvironment.length > 0 ? fromEnvironment : config.addresses;
  if (addresses === undefined)
    throw new ConfigError(
      config.at.file,
      config.at.position,
      'storage "etcd": expected address, or ETCD_ADDR in the environment',
    );
  const username = env['ETCD_USERNAME'] || config.username;
  const password = env['ETCD_PASSWORD'] || config.password;
  const tls = (): EtcdTls => tlsOf(config);
  // What is missing is said at the start.
  tls();
  return {
    addresses,
    path: config.path,
    requestMsMax: config.requestTimeoutSeconds * 1000,
    tls,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
  };
}

function tlsOf(config: EtcdConfig): EtcdTls {
  const ca = fileText(config, 'tls_ca_file', config.tlsCaFile);
  const cert = fileText(config, 'tls_cert_file', config.tlsCertFile);
  const key = fileText(config, 'tls_key_file', config.tlsKeyFile);
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
}

function fileText({ at }: Pick<EtcdConfig, 'at'>, name: string, path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
    throw new ConfigError(at.file, at.position, `${name}: "${path}" cannot be read: ${code}`);
  }
}

/** What a server is started with. */
export interface RemotePlace {
  readonly apiAddress: string;
  readonly clusterAddress: string;
  readonly clusterListenAddress: string;
  readonly authorityTimes: AuthorityTimes;
}

/** An open store in a database, not yet taking part in the election. */
export interface OpenRemote {
  readonly backend: RemoteBackend;
  readonly member: RemoteMember;
  readonly forward: ForwardChannel | undefined;
}

/** @throws StorageError where the database cannot be used */
export async function openRemote(
  { data, lock }: RemoteSettings,
  place: RemotePlace,
  clock: Clock,
  random: Random,
  log: Log,
): Promise<OpenRemote> {
  const storageLog = log.named('storage').named(data.kind);
  for (const database of new Set([data, lock ?? data])) {
    const caution = connectionCaution(database, process.env);
    if (caution !== undefined) storageLog.warn(caution);
  }
  const { apiAddress, clusterAddress, authorityTimes } = place;
  const self = { nodeId: nodeIdOf(random), apiAddress, clusterAddress };
  const backend = await openRemoteBackend({ kind: 'remote', data, lock }, self, clock, random, storageLog, guard);
  try {
    await refuseMigrating(backend);
  } catch (error) {
    await backend.close();
    throw error;
  }
  const port =
    lock &&
    new ForwardPort({
      self,
      listenAddress: place.clusterListenAddress,
      clock,
      random,
      log: storageLog.named('transport'),
      leafLifeMs: authorityTimes.leafLifeMs,
    });
  const member = new RemoteMember({ backend, port, clock, random, log: storageLog, authorityTimes });
  return { backend, member, forward: port?.forward };
}

const guard = programGuard({ version: COFFER_VERSION, format: DATA_FORMAT });
/** A migration is refused newer data, too, and writes nothing but what it copies. */
const guardOfMigration: BeforeLeading = { admit: guard.admit, firstWrite: () => Promise.resolve([]) };

/** @throws StorageError where the database cannot be used, or holds what a newer program wrote */
export async function openRemoteBackend(
  { data, lock }: RemoteSettings,
  self: NodeAddress,
  clock: Clock,
  random: Random,
  log: Log,
  beforeLeading = guardOfMigration,
): Promise<RemoteBackend> {
  const store = storeOf(data, clock, log);
  const heldBy = lock && lockOf(lock, clock, log);
  const backend = new RemoteBackend({ store, lock: heldBy, self, beforeLeading, clock, random, log });
  try {
    await backend.open();
    await beforeLeading.admit(backend);
  } catch (error) {
    await backend.close();
    if (error instanceof Unreachable)
      throw new StorageError('disk', `the database cannot be reached: ${error.message}`, { cause: error });
    throw error;
  }
  return backend;
}

/** Nodes keep nothing, so they are named anew with each start: after the machine, for people. */
function nodeIdOf(random: Random): string {
  const machine = hostname()
    .replace(/[^A-Za-z0-9_-]/g, '-')
    .slice(0, 64);
  const name = `${machine}-${Buffer.from(random.bytes(4)).toString('hex')}`;
  return isNodeId(name) ? name : `node-${Buffer.from(random.bytes(4)).toString('hex')}`;
}

function storeOf(database: DatabaseSettings, clock: Clock, log: Log): RemoteStore {
  return database.kind === 'etcd'
    ? etcdStore(database.settings, clock, log)
    : postgresqlStore(database.settings, clock, log);
}

function lockOf(database: DatabaseSettings, clock: Clock, log: Log): LockStore {
  return database.kind === 'etcd'
    ? etcdLock(database.settings, clock, log)
    : postgresqlLock(database.settings, clock, log);
}
