import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError } from '../hcl/ast.ts';
import type { HclItem, HclObject } from '../hcl/ast.ts';
import { parseHcl, parseHclOrJson, parseJsonConfig } from '../hcl/parser.ts';
import { optional, readListener } from './read-listener.ts';
import { readStorage } from './read-storage.ts';
import { BlockReader } from './reader.ts';
import type { ConfigNote } from './reader.ts';
import type { ListenerConfig, ServerConfig, StorageConfig } from './server-config.ts';

/** A file and what it says. */
interface ParsedFile {
  readonly name: string;
  readonly body: HclObject;
}

/**
 * Loads files, and of folders all their `.hcl` and `.json` files in the order of their names. Later ones win; listeners
 * add up.
 *
 * @throws ConfigError with file, line, column and what was expected
 */
export function loadServerConfig(paths: readonly string[]): ServerConfig {
  const files = paths.flatMap(filesOf).map(parseFile);
  if (files.length === 0)
    throw new ConfigError(paths[0] ?? 'configuration', undefined, 'expected at least one configuration file');
  return combine(files);
}

/** The same from texts, by name. @throws ConfigError */
export function parseServerConfig(text: string, name = 'configuration'): ServerConfig {
  return combine([{ name, body: parseHclOrJson(text, name) }]);
}

function filesOf(path: string): readonly string[] {
  let isFolder: boolean;
  try {
    isFolder = statSync(path).isDirectory();
  } catch (error) {
    throw new ConfigError(path, undefined, `cannot be read: ${codeOf(error)}`);
  }
  if (!isFolder) return [path];
  return readdirSync(path)
    .filter((name) => /\.(hcl|json)$/.test(name))
    .sort()
    .map((name) => join(path, name));
}

function parseFile(name: string): ParsedFile {
  let text: string;
  try {
    text = readFileSync(name, 'utf8');
  } catch (error) {
    throw new ConfigError(name, undefined, `cannot be read: ${codeOf(error)}`);
  }
  const body = name.endsWith('.json')
    ? parseJsonConfig(text, name)
    : name.endsWith('.hcl')
      ? parseHcl(text, name)
      : parseHclOrJson(text, name);
  return { name, body };
}

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';

/** Known, and doing nothing yet. */
const LATER = [
  'seal',
  'ha_storage',
  'telemetry',
  'entropy',
  'service_registration',
  'audit',
  'license_path',
  'disable_mlock',
  'disable_performance_standby',
  'disable_sealwrap',
  'disable_clustering',
  'disable_indexing',
  'disable_sentinel_trace',
  'plugin_directory',
  'plugin_tmpdir',
  'plugin_file_uid',
  'plugin_file_permissions',
  'introspection_endpoint',
  'enable_response_header_hostname',
  'enable_response_header_raft_node_id',
  'user_lockout',
  'experiments',
  'imprecise_lease_role_tracking',
  'reporting',
  'log_requests_level',
  'log_file',
  'log_rotate_duration',
  'log_rotate_bytes',
  'log_rotate_max_files',
  'detect_deadlocks',
  'administrative_namespace_path',
  'request_limiter',
  'enable_ui',
  'allow_audit_log_prefixing',
  'unsafe_allow_api_audit_creation',
  'unsafe_cross_namespace_identity',
  'initialize',
  'plugin',
  'cache_size',
];

function combine(files: readonly ParsedFile[]): ServerConfig {
  const notes: ConfigNote[] = [];
  const listeners: ListenerConfig[] = [];
  let storage: StorageConfig | undefined;
  let config: Omit<ServerConfig, 'storage' | 'listeners' | 'notes'> = {
    ui: false,
    cacheDisabled: false,
    rawStorageEndpoint: false,
  };
  for (const { name, body } of files) {
    const reader = new BlockReader(name, body);
    // `backend` is the older name. Vault's container sets both: then the newer one counts.
    const kind = reader.has('storage') ? 'storage' : 'backend';
    const found = chosenStorage(reader.blocks(kind), name);
    if (found) {
      const read = readStorage(name, found.type, found.body, found.at);
      storage = read.storage;
      notes.push(...read.notes);
      if (kind === 'storage') notes.push(...reader.notInEffect('backend'));
    }
    for (const block of reader.blocks('listener')) {
      const read = readListener(name, block.type, block.body, block.at);
      listeners.push(read.listener);
      notes.push(...read.notes);
    }
    config = { ...config, ...readTop(reader) };
    notes.push(...reader.notInEffect(...LATER), ...reader.rest());
  }
  const file = files[0]?.name ?? 'configuration';
  if (!storage)
    throw new ConfigError(file, undefined, 'expected a storage block: storage "raft" { … } or storage "inmem" {}');
  if (listeners.length === 0) throw new ConfigError(file, undefined, 'expected a listener block: listener "tcp" { … }');
  return { ...config, storage, listeners, notes };
}

function chosenStorage(
  blocks: ReturnType<BlockReader['blocks']>,
  file: string,
): { readonly type: string; readonly body: HclObject; readonly at: HclItem['at'] } | undefined {
  if (blocks.length > 1) throw new ConfigError(file, blocks[1]?.at, 'expected one storage block only');
  return blocks[0];
}

function readTop(reader: BlockReader): Partial<Omit<ServerConfig, 'storage' | 'listeners' | 'notes'>> {
  return {
    ...optional('apiAddr', reader.text('api_addr')),
    ...optional('clusterAddr', reader.text('cluster_addr')),
    ...optional('clusterName', reader.text('cluster_name')),
    ...optional('ui', reader.bool('ui')),
    ...optional('logLevel', reader.text('log_level')),
    ...optional('logFormat', reader.word('log_format', ['standard', 'json'] as const)),
    ...optional('defaultLeaseTtlSeconds', reader.duration('default_lease_ttl')),
    ...optional('maxLeaseTtlSeconds', reader.duration('max_lease_ttl')),
    ...optional('maxRequestDurationSeconds', reader.duration('default_max_request_duration')),
    ...optional('cacheDisabled', reader.bool('disable_cache')),
    ...optional('rawStorageEndpoint', reader.bool('raw_storage_endpoint')),
    ...optional('pidFile', reader.text('pid_file')),
  };
}
