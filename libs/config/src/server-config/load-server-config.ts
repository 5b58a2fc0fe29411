import { ConfigError } from '../hcl/ast.ts';
import { parseHclOrJson } from '../hcl/parser.ts';
import { filesOf, parseFile } from './config-files.ts';
import type { ParsedFile } from './config-files.ts';
import { TOP_NOT_IN_EFFECT } from './known-members.ts';
import { optional, readListener } from './read-listener.ts';
import { readStorage } from './read-storage.ts';
import { BlockReader } from './reader.ts';
import type { Block, ConfigNote } from './reader.ts';
import { readHaStorage, refuseContradiction } from './read-remote-storage.ts';
import type { HaStorageConfig, ListenerConfig, ServerConfig, StorageConfig } from './server-config.ts';

/**
 * Loads files, and of folders all their `.hcl` and `.json` files in the order of their names. They are added up as Vault
 * does it: later texts and storage win, of lease TTLs the longest, a switch is on if any file turns it on, listeners add
 * up. What a file holds, HCL or JSON, is seen by its first character and not by its name.
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

type TopLevel = Omit<ServerConfig, 'storage' | 'listeners' | 'notes'>;

function combine(files: readonly ParsedFile[]): ServerConfig {
  const notes: ConfigNote[] = [];
  const listeners: ListenerConfig[] = [];
  let storage: StorageConfig | undefined;
  let haStorage: HaStorageConfig | undefined;
  let top: TopLevel = { ui: false, cacheDisabled: false, rawStorageEndpoint: false };
  for (const { name, body } of files) {
    const reader = new BlockReader(name, body);
    const found = storageBlock(reader);
    if (found) {
      const read = readStorage(name, found.type, found.body, found.at);
      storage = read.storage;
      notes.push(...read.notes);
    }
    const elected = haStorageBlock(reader);
    if (elected) {
      const read = readHaStorage(name, elected);
      haStorage = read.haStorage;
      notes.push(...read.notes);
    }
    for (const block of reader.typedBlocks('listener')) {
      const read = readListener(name, block.type, block.body, block.at);
      listeners.push(read.listener);
      notes.push(...read.notes);
    }
    top = merge(top, readTop(reader));
    notes.push(...reader.notInEffect(TOP_NOT_IN_EFFECT));
    // Memory is never locked here: only the wish to do it has no effect.
    if (reader.bool('disable_mlock') === false) notes.push(...reader.notInEffect({ disable_mlock: 'bool' }));
    if (reader.has('storage')) notes.push(...reader.notInEffect({ backend: 'block' }));
    notes.push(...reader.rest());
  }
  const file = files[0]?.name ?? 'configuration';
  if (!storage)
    throw new ConfigError(file, undefined, 'expected a storage block: storage "raft" { … } or storage "inmem" {}');
  if (listeners.length === 0) throw new ConfigError(file, undefined, 'expected a listener block: listener "tcp" { … }');
  if (haStorage) refuseContradiction(storage, haStorage);
  return { ...top, storage, ...optional('haStorage', haStorage), listeners, notes };
}

function haStorageBlock(reader: BlockReader): Block | undefined {
  const [first, second] = reader.typedBlocks(reader.has('ha_storage') ? 'ha_storage' : 'ha_backend');
  if (second) throw reader.error(second.at, 'expected one ha_storage block only');
  return first;
}

/** `backend` is the older name. Vault's container sets both: then the newer one counts. */
function storageBlock(reader: BlockReader): Block | undefined {
  const [first, second] = reader.typedBlocks(reader.has('storage') ? 'storage' : 'backend');
  if (second) throw reader.error(second.at, 'expected one storage block only');
  return first;
}

function readTop(reader: BlockReader): Partial<TopLevel> {
  return {
    ...optional('apiAddr', readUrl(reader, 'api_addr')),
    ...optional('clusterAddr', readUrl(reader, 'cluster_addr')),
    ...optional('clusterName', reader.text('cluster_name')),
    ...optional('clusterAuthorityTtlSeconds', readAuthorityTtl(reader)),
    ...optional('ui', reader.bool('ui')),
    ...optional('logLevel', readWord(reader, 'log_level', LOG_LEVEL_WORDS)),
    ...optional('logFormat', readWord(reader, 'log_format', ['standard', 'json'] as const)),
    ...optional('defaultLeaseTtlSeconds', reader.duration('default_lease_ttl')),
    ...optional('maxLeaseTtlSeconds', reader.duration('max_lease_ttl')),
    ...optional('maxRequestDurationSeconds', reader.duration('default_max_request_duration')),
    ...optional('cacheDisabled', reader.bool('disable_cache')),
    ...optional('rawStorageEndpoint', reader.bool('raw_storage_endpoint')),
    ...optional('pidFile', reader.text('pid_file')),
  };
}

/** Shorter than its steps take, a succession would never end. */
const AUTHORITY_TTL_SECONDS_MIN = 5;
/** Authorities are made for 30 years. */
const AUTHORITY_TTL_SECONDS_MAX = 10 * 365 * 86_400;

function readAuthorityTtl(reader: BlockReader): number | undefined {
  const name = 'cluster_authority_ttl';
  const seconds = reader.duration(name);
  if (seconds === undefined) return undefined;
  if (seconds < AUTHORITY_TTL_SECONDS_MIN || seconds > AUTHORITY_TTL_SECONDS_MAX)
    throw reader.error(reader.position(name), `${name}: expected "5s" to "87600h"`);
  return seconds;
}

const LOG_LEVEL_WORDS = ['trace', 'debug', 'info', 'notice', 'warn', 'warning', 'error', 'err', 'off'] as const;

/** '' and "unspecified" are as good as nothing. */
function readWord<W extends string>(reader: BlockReader, name: string, words: readonly W[]): W | undefined {
  return ['', 'unspecified'].includes(reader.text(name)?.trim() ?? '') ? undefined : reader.word(name, words);
}

/** '' is as good as nothing, as in the files that container images write. */
function readUrl(reader: BlockReader, name: string): string | undefined {
  const text = reader.text(name);
  if (text === undefined || text === '') return undefined;
  if (/\{\{/.test(text))
    throw reader.error(reader.position(name), `${name}: templates are not available: expected an address`);
  if (!/^https?:\/\/[^/\s?#@]+\/?$/.test(text) || !URL.canParse(text))
    throw reader.error(reader.position(name), `${name}: expected an address such as "https://10.0.0.1:8200"`);
  return text;
}

/** By Vault's rules; see `loadServerConfig`. */
function merge(before: TopLevel, later: Partial<TopLevel>): TopLevel {
  const longest = (name: 'defaultLeaseTtlSeconds' | 'maxLeaseTtlSeconds'): number | undefined => {
    const found = [before[name], later[name]].filter((seconds) => seconds !== undefined);
    return found.length > 0 ? Math.max(...found) : undefined;
  };
  const texts = Object.fromEntries(Object.entries(later).filter(([, value]) => value !== ''));
  return {
    ...before,
    ...(texts as Partial<TopLevel>),
    ui: before.ui || (later.ui ?? false),
    cacheDisabled: before.cacheDisabled || (later.cacheDisabled ?? false),
    rawStorageEndpoint: before.rawStorageEndpoint || (later.rawStorageEndpoint ?? false),
    ...optional('defaultLeaseTtlSeconds', longest('defaultLeaseTtlSeconds')),
    ...optional('maxLeaseTtlSeconds', longest('maxLeaseTtlSeconds')),
  };
}
