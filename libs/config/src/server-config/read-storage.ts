import { ConfigError } from '../hcl/ast.ts';
import type { HclObject, Position } from '../hcl/ast.ts';
import { RAFT_NOT_IN_EFFECT } from './known-members.ts';
import { readAutopilot } from './read-autopilot.ts';
import { optional } from './read-listener.ts';
import { readRemoteStorage } from './read-remote-storage.ts';
import { BlockReader } from './reader.ts';
import type { ConfigNote } from './reader.ts';
import type { RetryJoinConfig, StorageConfig } from './server-config.ts';

/** Kinds of storage that Vault has, or had. */
const KNOWN_ELSEWHERE: ReadonlySet<string> = new Set([
  'aerospike',
  'alicloudoss',
  'azure',
  'cassandra',
  'cockroachdb',
  'consul',
  'couchdb',
  'dynamodb',
  'file',
  'foundationdb',
  'gcs',
  'manta',
  'mssql',
  'mysql',
  'oci',
  's3',
  'spanner',
  'swift',
  'zookeeper',
]);

/** `storage "…" { … }`. @throws ConfigError, also for a kind of storage that this program does not have */
export function readStorage(
  file: string,
  type: string,
  body: HclObject,
  at: Position,
): { readonly storage: StorageConfig; readonly notes: readonly ConfigNote[] } {
  const reader = new BlockReader(file, body);
  if (type === 'inmem') return { storage: { kind: 'inmem' }, notes: reader.rest() };
  if (type === 'postgresql' || type === 'etcd') return readRemoteStorage(file, type, body, at, 'storage');
  if (type !== 'raft') {
    const what = KNOWN_ELSEWHERE.has(type) ? 'is not available' : 'is not known';
    throw new ConfigError(
      file,
      at,
      `storage "${type}" ${what}: expected storage "raft", "postgresql", "etcd" or "inmem"`,
    );
  }
  const path = reader.text('path');
  if (path === undefined || path === '')
    throw reader.error(reader.at, 'storage "raft": expected path, the folder of the data');
  const nodeId = reader.text('node_id');
  if (nodeId !== undefined && !/^[A-Za-z0-9]([A-Za-z0-9_.-]{0,62}[A-Za-z0-9])?$/.test(nodeId)) {
    throw reader.error(reader.position('node_id'), 'node_id: expected up to 64 letters, digits, ".", "_" and "-"');
  }
  const joins = reader.blocks('retry_join').map((block) => readRetryJoin(file, block.body));
  const storage: StorageConfig = {
    kind: 'raft',
    path,
    performanceMultiplier: reader.int('performance_multiplier', { min: 0, max: 10 }) || 1,
    retryJoin: joins.map((join) => join.target),
    joinAsNonVoter: reader.bool('retry_join_as_non_voter') ?? false,
    ...readAutopilot(reader),
    ...optional('nodeId', nodeId),
    ...optional('trailingLogs', reader.int('trailing_logs', { min: 0, max: 100_000_000 })),
    ...optional('snapshotThreshold', reader.int('snapshot_threshold', { min: 0, max: 100_000_000 })),
    ...optional('maxEntrySize', reader.int('max_entry_size', { min: 1024, max: 64 * 1024 * 1024 })),
  };
  return {
    storage,
    notes: [...joins.flatMap((join) => join.notes), ...reader.notInEffect(RAFT_NOT_IN_EFFECT), ...reader.rest()],
  };
}

function readRetryJoin(
  file: string,
  body: HclObject,
): { readonly target: RetryJoinConfig; readonly notes: readonly ConfigNote[] } {
  const reader = new BlockReader(file, body);
  const autoJoin = readAutoJoin(file, reader);
  const address = reader.text('leader_api_addr');
  if (address === undefined && autoJoin === undefined)
    throw reader.error(reader.at, 'retry_join: expected leader_api_addr or auto_join');
  if (address !== undefined && autoJoin !== undefined)
    throw reader.error(reader.position('auto_join'), 'retry_join: expected leader_api_addr or auto_join, not both');
  if (address !== undefined && !/^https?:\/\/[^/\s]+\/?$/.test(address))
    throw reader.error(
      reader.position('leader_api_addr'),
      'leader_api_addr: expected an address such as "https://10.0.0.1:8200"',
    );
  const target: RetryJoinConfig = {
    ...optional('leaderApiAddr', address?.replace(/\/$/, '')),
    ...optional('autoJoin', autoJoin),
    ...optional('caCert', reader.text('leader_ca_cert')),
    ...optional('caCertFile', reader.text('leader_ca_cert_file')),
    ...optional('clientCert', reader.text('leader_client_cert')),
    ...optional('clientCertFile', reader.text('leader_client_cert_file')),
    ...optional('clientKey', reader.text('leader_client_key')),
    ...optional('clientKeyFile', reader.text('leader_client_key_file')),
    ...optional('tlsServername', reader.text('leader_tls_servername')),
  };
  return { target, notes: reader.rest() };
}

/** Vault's default port. */
const API_PORT = 8200;

function readAutoJoin(file: string, reader: BlockReader): RetryJoinConfig['autoJoin'] {
  const text = reader.text('auto_join');
  const scheme = reader.text('auto_join_scheme') ?? 'https';
  const port = reader.int('auto_join_port', { min: 1, max: 65_535 }) ?? API_PORT;
  if (scheme !== 'http' && scheme !== 'https')
    throw reader.error(reader.position('auto_join_scheme'), 'auto_join_scheme: expected http or https');
  return text === undefined ? undefined : { text, scheme, port, file, at: reader.position('auto_join') };
}
