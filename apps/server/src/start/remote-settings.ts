import { readFileSync } from 'node:fs';
import { ConfigError } from '@coffer/config';
import type { EtcdConfig, HaStorageConfig, PostgresqlConfig } from '@coffer/config';
import type { EtcdSettings, EtcdTls, PostgresqlSettings } from '@coffer/storage-remote';

type Environment = Readonly<Record<string, string | undefined>>;

/** A database, and what elects the active node. */
export interface RemoteSettings {
  readonly kind: 'remote';
  readonly data: DatabaseSettings;
  /** Undefined: this node is the only one. */
  readonly lock: DatabaseSettings | undefined;
}

/** One database, as its client wants it. */
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

/** What follows the address. Not every address that the driver takes is a URL: a host may be left out. */
export function parametersOf(connectionUrl: string): URLSearchParams {
  return new URLSearchParams(connectionUrl.split('?')[1] ?? '');
}

/** The driver reads them with each connection: what is missing at the start is said by name. The URL is not repeated. */
function checkFilesOf(connectionUrl: string, config: PostgresqlConfig): void {
  const parameters = parametersOf(connectionUrl);
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
