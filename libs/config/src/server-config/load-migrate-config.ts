import { ConfigError } from '../hcl/ast.ts';
import type { Position } from '../hcl/ast.ts';
import { filesOf, parseFile } from './config-files.ts';
import { optional } from './read-listener.ts';
import { readStorage } from './read-storage.ts';
import { BlockReader } from './reader.ts';
import type { ConfigNote } from './reader.ts';
import type { StorageConfig } from './server-config.ts';

/** Where data moves from and to. */
export interface MigrateConfig {
  readonly source: StorageConfig;
  readonly destination: StorageConfig;
  /** Of the node that the destination is for, where that is raft. */
  readonly clusterAddr?: string;
  readonly apiAddr?: string;
  readonly notes: readonly ConfigNote[];
}

/**
 * Loads what `operator migrate` moves: one `storage_source` and one `storage_destination` block.
 *
 * @throws ConfigError with file, line, column and what was expected
 */
export function loadMigrateConfig(path: string): MigrateConfig {
  const [name, second] = filesOf(path);
  if (name === undefined || second !== undefined)
    throw new ConfigError(path, undefined, 'expected one file with storage_source and storage_destination');
  const { body } = parseFile(name);
  const reader = new BlockReader(name, body);
  const source = readEnd(reader, name, 'storage_source');
  const destination = readEnd(reader, name, 'storage_destination');
  const clusterAddr = reader.text('cluster_addr');
  const { kind } = destination.storage;
  if (kind === 'raft' && clusterAddr === undefined)
    throw new ConfigError(
      name,
      destination.at,
      'storage_destination "raft": expected cluster_addr beside it, the address of the first node',
    );
  if (clusterAddr !== undefined && !/^https?:\/\/[^/\s?#@]+\/?$/.test(clusterAddr))
    throw reader.error(
      reader.position('cluster_addr'),
      'cluster_addr: expected an address such as "https://10.0.0.1:8201"',
    );
  return {
    source: source.storage,
    destination: destination.storage,
    ...optional('clusterAddr', clusterAddr),
    ...optional('apiAddr', reader.text('api_addr')),
    notes: [...source.notes, ...destination.notes, ...reader.rest()],
  };
}

function readEnd(
  reader: BlockReader,
  file: string,
  name: 'storage_source' | 'storage_destination',
): { readonly storage: StorageConfig; readonly notes: readonly ConfigNote[]; readonly at: Position } {
  const [block, second] = reader.typedBlocks(name);
  if (!block) throw reader.error(reader.at, `expected a block ${name} "…" { … }`);
  if (second) throw reader.error(second.at, `expected one ${name} block only`);
  if (block.type === 'inmem')
    throw reader.error(block.at, `${name} "inmem": expected a storage that outlives its process`);
  return { ...readStorage(file, block.type, block.body, block.at), at: block.at };
}
