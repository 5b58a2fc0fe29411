import { mkdirSync, readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { ConfigError, loadServerConfig, redundancyZoneError, upgradeVersionError } from '@coffer/config';
import type { ListenerConfig, ListenerTls, RetryJoinConfig, ServerConfig } from '@coffer/config';
import { JoinError, parseDiscovery } from '@coffer/cluster';
import type { Discovery, JoinSource, JoinTarget } from '@coffer/cluster';
import { ResponseHeaders } from '@coffer/gateway';
import type { ListenerOptions } from '@coffer/gateway';
import { LOG_LEVELS } from '@coffer/kernel';
import type { LogLevel } from '@coffer/kernel';
import { remoteSettings } from './remote-settings.ts';
import { splitAddress } from './server-flags.ts';
import type { ServerFlags } from './server-flags.ts';
import {
  BODY_BYTES_MAX,
  BODY_TIMEOUT_MS,
  DEFAULT_CACHE_BYTES,
  DEFAULT_LEASE_TTL_SECONDS,
  REQUEST_DURATION_MS,
} from './settings.ts';
import type { ListenerSettings, ServerSettings, StorageSettings } from './settings.ts';
import { authorityTimes } from '../node/cluster-tls.ts';
import { VERSION } from '../node/version.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** Vault's names, and ours before them. */
const fromEnvironment = (env: Environment, name: string): string | undefined =>
  env[`COFFER_${name}`] || env[`VAULT_${name}`] || undefined;

/** The log is cut beyond so many entries and bytes that followers no longer need. */
const LOG_ENTRIES_MAX = 20_000;
/** Vault's default, where only `snapshot_threshold` is set. */
const TRAILING_LOGS = 10_000;
const LOG_BYTES_MAX = 64 * 1024 * 1024;
/** Vault's default for the largest entry. */
const ENTRY_BYTES_MAX = 1024 * 1024;

/** @throws ConfigError, FlagError */
export function loadSettings(flags: ServerFlags, env: Environment = process.env): ServerSettings {
  if (flags.configPaths.length === 0)
    throw new ConfigError('server', undefined, 'expected -config=FILE-OR-FOLDER, or -dev');
  const config = loadServerConfig(flags.configPaths);
  const first = config.listeners[0];
  const { host, port } = splitAddress(first?.address ?? '127.0.0.1:8200');
  const clusterListenAddress = first?.clusterAddress ?? `${host}:${String(port + 1)}`;
  const reachable = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  const apiAddress =
    fromEnvironment(env, 'API_ADDR') ??
    config.apiAddr ??
    `${first?.tls ? 'https' : 'http'}://${reachable}:${String(port)}`;
  const clusterAddress =
    fromEnvironment(env, 'CLUSTER_ADDR') ??
    config.clusterAddr ??
    `https://${reachable}:${String(splitAddress(clusterListenAddress).port)}`;
  return {
    storage: storageSettings(config, env),
    listeners: config.listeners.map((listener) => listenerOf(listener, config)),
    clusterListenAddress,
    apiAddress: apiAddress.replace(/\/$/, ''),
    clusterAddress: clusterAddress.replace(/^http:/, 'https:').replace(/\/$/, ''),
    clusterName: config.clusterName,
    authorityTimes: authorityTimes(config.clusterAuthorityTtlSeconds),
    logLevel: flags.logLevel ?? levelOf(config.logLevel) ?? 'info',
    logFormat: flags.logFormat ?? config.logFormat ?? 'standard',
    defaultLeaseTtlSeconds: config.defaultLeaseTtlSeconds || DEFAULT_LEASE_TTL_SECONDS,
    maxLeaseTtlSeconds: config.maxLeaseTtlSeconds || DEFAULT_LEASE_TTL_SECONDS,
    cacheBytesMax: config.cacheDisabled ? 1 : DEFAULT_CACHE_BYTES,
    rawStorageEndpoint: config.rawStorageEndpoint,
    ui: config.ui,
    sanitized: sanitized(config, apiAddress, clusterAddress),
    notes: notesOf(config),
    cautions: cautionsOf(config),
    ...(config.pidFile === undefined ? {} : { pidFile: config.pidFile }),
  };
}

function levelOf(text: string | undefined): LogLevel | undefined {
  const lower = text?.toLowerCase();
  return LOG_LEVELS.find((level) => level === (lower === 'warning' ? 'warn' : lower === 'err' ? 'error' : lower));
}

function notesOf(config: ServerConfig): readonly string[] {
  return config.notes.map(({ key, file, position, kind }) => {
    const where = `${file}:${String(position.line)}:${String(position.column)}`;
    return kind === 'unknown'
      ? `${where}: unknown configuration key "${key}" was ignored`
      : `${where}: "${key}" is read but not in effect yet`;
  });
}

/** What an operator must not overlook. */
function cautionsOf(config: ServerConfig): readonly string[] {
  return config.notes
    .filter(({ key, kind }) => key === 'seal' && kind === 'not-in-effect')
    .map(
      ({ file, position }) =>
        `${file}:${String(position.line)}:${String(position.column)}: "seal" is not in effect: this node is guarded by Shamir's key shares and wants them after each start`,
    );
}

/** Where data is kept; makes the folder of raft. @throws ConfigError */
export function storageSettings(
  { storage, haStorage }: Pick<ServerConfig, 'storage' | 'haStorage'>,
  env: Environment,
): StorageSettings {
  if (storage.kind === 'inmem') return storage;
  if (storage.kind !== 'raft') return remoteSettings(storage, haStorage, env);
  const path = fromEnvironment(env, 'RAFT_PATH') ?? storage.path;
  // Mistakes first: nothing is made of a configuration that has some.
  const retryJoin = storage.retryJoin.map(joinSourceOf);
  mkdirSync(path, { recursive: true, mode: 0o700 });
  return {
    kind: 'raft',
    path,
    nodeId: fromEnvironment(env, 'RAFT_NODE_ID') ?? storage.nodeId ?? hostname(),
    performanceMultiplier: storage.performanceMultiplier,
    retryJoin,
    joinsAsNonVoter: fromEnvironment(env, 'RAFT_RETRY_JOIN_AS_NON_VOTER') === 'true' || storage.joinAsNonVoter,
    ...autopilotTraits(storage, env),
    logEntriesMax: logEntriesOf(storage.trailingLogs, storage.snapshotThreshold),
    logBytesMax: LOG_BYTES_MAX,
    entryBytesMax: storage.maxEntrySize ?? ENTRY_BYTES_MAX,
  };
}

type AutopilotTraits = Pick<Extract<StorageSettings, { kind: 'raft' }>, 'redundancyZone' | 'upgradeVersion'>;

/** The environment goes first: where all nodes share a file, their zones differ. */
function autopilotTraits(configured: AutopilotTraits, env: Environment): AutopilotTraits {
  const zone = checkedEnvironment(env, 'RAFT_REDUNDANCY_ZONE', redundancyZoneError) ?? configured.redundancyZone;
  const version = checkedEnvironment(env, 'RAFT_UPGRADE_VERSION', upgradeVersionError) ?? configured.upgradeVersion;
  return {
    ...(zone === undefined ? {} : { redundancyZone: zone }),
    ...(version === undefined ? {} : { upgradeVersion: version }),
  };
}

/** @throws ConfigError */
function checkedEnvironment(
  env: Environment,
  name: string,
  errorOf: (text: string) => string | undefined,
): string | undefined {
  const text = fromEnvironment(env, name);
  const error = text === undefined ? undefined : errorOf(text);
  if (error !== undefined) {
    throw new ConfigError(
      `environment variable ${env[`COFFER_${name}`] ? 'COFFER' : 'VAULT'}_${name}`,
      undefined,
      error,
    );
  }
  return text;
}

/**
 * How long the log may get. In Vault it is cut to `trailing_logs` whenever it has grown by `snapshot_threshold`; here it is
 * cut bit by bit, and never longer than both together.
 */
function logEntriesOf(trailingLogs: number | undefined, snapshotThreshold: number | undefined): number {
  if (!trailingLogs && !snapshotThreshold) return LOG_ENTRIES_MAX;
  return (trailingLogs || TRAILING_LOGS) + (snapshotThreshold ?? 0);
}

function joinSourceOf(config: RetryJoinConfig): JoinSource {
  const target = tlsOfTarget(config);
  const { leaderApiAddr, autoJoin } = config;
  if (autoJoin === undefined) {
    return { kind: 'address', target: { ...target, leaderApiAddress: leaderApiAddr ?? '' } };
  }
  const { scheme, port } = autoJoin;
  return { kind: 'discover', discover: discoveryOf(autoJoin), scheme, port, target };
}

/** @throws ConfigError, which says where the mistake is */
export function discoveryOf({ text, file, at }: NonNullable<RetryJoinConfig['autoJoin']>): Discovery {
  try {
    return parseDiscovery(text);
  } catch (error) {
    if (error instanceof JoinError) throw new ConfigError(file, at, error.message);
    throw error;
  }
}

function tlsOfTarget(target: RetryJoinConfig): Omit<JoinTarget, 'leaderApiAddress'> {
  const caCertificate = target.caCert ?? fileText(target.caCertFile, 'leader_ca_cert_file');
  const clientCertificate = target.clientCert ?? fileText(target.clientCertFile, 'leader_client_cert_file');
  const clientKey = target.clientKey ?? fileText(target.clientKeyFile, 'leader_client_key_file');
  return {
    ...(caCertificate === undefined ? {} : { caCertificate }),
    ...(clientCertificate === undefined ? {} : { clientCertificate }),
    ...(clientKey === undefined ? {} : { clientKey }),
    ...(target.tlsServername === undefined ? {} : { tlsServerName: target.tlsServername }),
  };
}

function fileText(path: string | undefined, name: string): string | undefined {
  if (path === undefined) return undefined;
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new ConfigError(
      name,
      undefined,
      `"${path}" cannot be read: ${error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'}`,
    );
  }
}

/** The TLS settings of a listener, with its files read now: called again at SIGHUP. @throws ConfigError */
export function tlsOptionsOf(tls: ListenerTls): NonNullable<ListenerOptions['tls']> {
  const cert = fileText(tls.certFile, 'tls_cert_file') ?? '';
  const key = fileText(tls.keyFile, 'tls_key_file') ?? '';
  const ca = fileText(tls.clientCaFile, 'tls_client_ca_file');
  return {
    cert,
    key,
    minVersion: tls.minVersion,
    requestCert: !tls.disableClientCerts,
    rejectUnauthorized: tls.requireClientCert,
    ...(ca === undefined ? {} : { ca }),
    ...(tls.maxVersion === undefined ? {} : { maxVersion: tls.maxVersion }),
    ...(tls.ciphers === undefined
      ? {}
      : { ciphers: `${tls.ciphers}:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256` }),
  };
}

function listenerOf(listener: ListenerConfig, config: ServerConfig): ListenerSettings {
  const { host, port } = splitAddress(listener.address);
  const { tls } = listener;
  const responseHeaders = listener.responseHeaders && new ResponseHeaders(listener.responseHeaders);
  const bytesMax = listener.requestBytesMax ?? BODY_BYTES_MAX;
  const durationSeconds = listener.requestDurationSecondsMax ?? config.maxRequestDurationSeconds;
  return {
    listener: {
      host,
      port,
      headerTimeoutMs: (listener.readHeaderTimeoutSeconds ?? 10) * 1000,
      writeTimeoutMs: (listener.writeTimeoutSeconds ?? 0) * 1000,
      idleTimeoutMs: (listener.idleTimeoutSeconds ?? 300) * 1000,
      ...(tls ? { tls: tlsOptionsOf(tls), reloadTls: () => tlsOptionsOf(tls) } : {}),
      ...(listener.proxyProtocol ? { proxyProtocol: listener.proxyProtocol } : {}),
      ...(responseHeaders ? { responseHeaders } : {}),
    },
    handler: {
      bodyBytesMax: bytesMax <= 0 ? Number.POSITIVE_INFINITY : bytesMax,
      bodyTimeoutMs: listener.readTimeoutSeconds === undefined ? BODY_TIMEOUT_MS : listener.readTimeoutSeconds * 1000,
      requestDurationMsMax: durationSeconds ? durationSeconds * 1000 : REQUEST_DURATION_MS,
      ...(listener.forwardedFor ? { forwardedFor: listener.forwardedFor } : {}),
      ...(listener.opens ? { opens: listener.opens } : {}),
      ...(responseHeaders ? { responseHeaders } : {}),
      ...(listener.jsonDepthMax === undefined
        ? {}
        : { jsonLimits: { depthMax: listener.jsonDepthMax, membersMax: 250_000 } }),
    },
  };
}

/** Addresses and switches; no path of a key, no secret. */
function sanitized(
  config: ServerConfig,
  apiAddress: string,
  clusterAddress: string,
): Readonly<Record<string, unknown>> {
  return {
    api_addr: apiAddress,
    cluster_addr: clusterAddress,
    cluster_name: config.clusterName ?? '',
    default_lease_ttl: config.defaultLeaseTtlSeconds ?? 0,
    max_lease_ttl: config.maxLeaseTtlSeconds ?? 0,
    disable_cache: config.cacheDisabled,
    enable_ui: config.ui,
    log_level: config.logLevel ?? '',
    log_format: config.logFormat ?? '',
    raw_storage_endpoint: config.rawStorageEndpoint,
    storage: { type: config.storage.kind },
    ...(config.haStorage ? { ha_storage: { type: config.haStorage.kind } } : {}),
    listeners: config.listeners.map(({ address, tls }) => ({
      type: 'tcp',
      config: { address, tls_disable: tls === undefined },
    })),
  };
}

function describeStorage(storage: StorageSettings): string {
  if (storage.kind !== 'remote') return storage.kind === 'raft' ? 'raft (HA available)' : 'inmem';
  const { data, lock } = storage;
  if (!lock) return `${data.kind} (HA disabled)`;
  return lock === data ? `${data.kind} (HA available)` : `${data.kind} (HA by ${lock.kind})`;
}

/** What the operator sees before the log begins. */
export function describeSettings(settings: ServerSettings): string {
  const rows: readonly (readonly [string, string])[] = [
    ['Api Address', settings.apiAddress],
    ['Cluster Address', settings.clusterAddress],
    ...settings.listeners.map(({ listener }, index): readonly [string, string] => [
      `Listener ${String(index + 1)}`,
      `tcp (addr: "${listener.host}:${String(listener.port)}", tls: "${listener.tls ? 'enabled' : 'disabled'}")`,
    ]),
    ['Log Level', settings.logLevel],
    ['Storage', describeStorage(settings.storage)],
    ['Version', `Coffer v${VERSION}`],
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  return [
    '==> Coffer server configuration:\n',
    ...rows.map(([name, value]) => `${name.padStart(width)}: ${value}`),
    '',
  ].join('\n');
}
