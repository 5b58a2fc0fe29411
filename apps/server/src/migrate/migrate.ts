import { ConfigError, loadMigrateConfig } from '@coffer/config';
import type { MigrateConfig, StorageConfig } from '@coffer/config';
import { LOG_LEVELS, systemClock, systemRandom } from '@coffer/kernel';
import type { Log, LogLevel } from '@coffer/kernel';
import { StorageError } from '@coffer/storage';
import { LineLog, LogLevels } from '../logging/line-log.ts';
import { copyKeys, isEmpty, removeKeys, verifyKeys, writeTo } from './copy-keys.ts';
import { MIGRATION_KEY, encodeMarker, readMarker } from './marker.ts';
import type { MigrationMarker } from './marker.ts';
import { openEnd } from './open-end.ts';
import type { MigrationEnd } from './open-end.ts';

export interface MigrateOptions {
  /** File with `storage_source` and `storage_destination`. */
  readonly config: string;
  /** Copies from this key on; all keys, or what an earlier run has left, if undefined. */
  readonly start: string | undefined;
  /** Gives up a migration that was begun. */
  readonly reset: boolean;
  readonly parallelMax: number;
  readonly logLevel: string;
}

/** Compared again after differences were made good: then there are none. */
const PASSES_MAX = 3;
const TOLD_EVERY_KEYS = 10_000;

const say = (text: string): void => void process.stdout.write(`${text}\n`);

/**
 * `coffer operator migrate`: moves all data from one storage to another, while no server runs. It can be stopped at any
 * moment and run again.
 *
 * @returns the exit code: 0, or 1 with what went wrong on standard error
 */
export async function runMigrate(options: MigrateOptions): Promise<number> {
  const level = LOG_LEVELS.find((known) => known === options.logLevel.toLowerCase()) ?? 'warn';
  const log = logOf(level);
  try {
    const config = loadMigrateConfig(options.config);
    for (const { key, position, file } of config.notes)
      log.warn(`${file}:${String(position.line)}: "${key}" is not used by a migration`);
    if (samePlace(config.source, config.destination))
      throw new StorageError('conflict', 'storage_source and storage_destination are the same place');
    await withEnds(config, log, (source, destination) =>
      options.reset ? reset(source, destination) : migrate(source, destination, options),
    );
    return 0;
  } catch (error) {
    if (!(error instanceof ConfigError) && !(error instanceof StorageError)) throw error;
    const what = error instanceof ConfigError ? 'Error loading the configuration' : 'Error migrating';
    process.stderr.write(`${what}: ${error.message}\n`);
    return 1;
  }
}

function logOf(level: LogLevel): Log {
  const sink = (line: string): void => void process.stderr.write(line);
  return new LineLog('migrate', { levels: new LogLevels(level), clock: systemClock, format: 'standard', sink });
}

async function withEnds(
  config: MigrateConfig,
  log: Log,
  work: (source: MigrationEnd, destination: MigrationEnd) => Promise<void>,
): Promise<void> {
  const source = await openEnd(config.source, 'source', config, log.named('source'));
  try {
    const destination = await openEnd(config.destination, 'destination', config, log.named('destination'));
    try {
      await work(source, destination);
    } finally {
      await destination.close();
    }
  } finally {
    await source.close();
  }
}

async function migrate(source: MigrationEnd, destination: MigrationEnd, options: MigrateOptions): Promise<void> {
  const marker = await begin(source, destination);
  const resumed = marker.after === undefined ? undefined : `${marker.after}\u0000`;
  const start = options.start ?? resumed ?? '';
  if (resumed !== undefined) say('Going on with a migration that was begun earlier.');
  let toldOf = 0;
  const copied = await copyKeys(source.backend, destination, marker, {
    start,
    parallelMax: options.parallelMax,
    told: (keys) => {
      if (keys - toldOf < TOLD_EVERY_KEYS) return;
      toldOf = keys;
      say(`Copied ${String(keys)} keys so far.`);
    },
  });
  say(`Copied ${String(copied)} keys; comparing both storages.`);
  const keys = await verify(source, destination, options);
  await end(source, destination);
  say(`Compared ${String(keys)} keys: the storages are the same.`);
  say('Success! All of the keys have been migrated.');
}

/** Marks both ends, or finds them marked by an earlier run. @throws StorageError where one is in use otherwise */
async function begin(source: MigrationEnd, destination: MigrationEnd): Promise<MigrationMarker> {
  const [atSource, atDestination] = [await readMarker(source.backend), await readMarker(destination.backend)];
  if (atSource && atSource.role !== 'source')
    throw new StorageError('conflict', 'storage_source is the destination of a migration that has not come to its end');
  if (atDestination && atDestination.role !== 'destination')
    throw new StorageError('conflict', 'storage_destination is the source of another migration');
  if (atSource && atDestination && atSource.id !== atDestination.id)
    throw new StorageError('conflict', 'the storages are marked by two different migrations: give them up by -reset');
  if (!atDestination && !(await isEmpty(destination.backend)))
    throw new StorageError('conflict', 'storage_destination holds data already: a migration wants an empty one');
  if (await isEmpty(source.backend)) throw new StorageError('conflict', 'storage_source holds no data');
  const id = atDestination?.id ?? atSource?.id ?? systemRandom.uuid();
  if (source.epoch && !atSource) await mark(source, { id, role: 'source' });
  if (!atDestination) await mark(destination, { id, role: 'destination' });
  return atDestination ?? { id, role: 'destination' };
}

async function verify(
  source: MigrationEnd,
  destination: MigrationEnd,
  { start = '', parallelMax }: { readonly start: string | undefined; readonly parallelMax: number },
): Promise<number> {
  for (let pass = 1; ; pass++) {
    const { keys, different } = await verifyKeys(source.backend, destination, { start, parallelMax });
    if (different === 0) return keys;
    if (pass === PASSES_MAX)
      throw new StorageError('corrupt', 'the destination does not hold what was written to it: nothing was ended');
    say(`${String(different)} keys were different and were copied again; comparing once more.`);
  }
}

async function end(source: MigrationEnd, destination: MigrationEnd): Promise<void> {
  // The destination last: as long as it is marked, all this can be done again.
  if (source.epoch) await unmark(source);
  await unmark(destination);
}

async function reset(source: MigrationEnd, destination: MigrationEnd): Promise<void> {
  const [atSource, atDestination] = [await readMarker(source.backend), await readMarker(destination.backend)];
  if (!atSource && !atDestination) {
    say('No migration was begun here.');
    return;
  }
  if (atDestination?.role === 'destination') {
    await removeKeys(destination);
    await unmark(destination);
    say('What was copied to storage_destination was removed.');
  }
  if (atSource?.role === 'source' && source.epoch) await unmark(source);
  say('Success! The migration was given up.');
}

const mark = (end: MigrationEnd, marker: MigrationMarker): Promise<void> =>
  writeTo(end, [{ kind: 'put', key: MIGRATION_KEY, value: encodeMarker(marker) }]);

const unmark = (end: MigrationEnd): Promise<void> => writeTo(end, [{ kind: 'delete', key: MIGRATION_KEY }]);

function samePlace(left: StorageConfig, right: StorageConfig): boolean {
  if (left.kind === 'raft' && right.kind === 'raft') return left.path === right.path;
  if (left.kind === 'postgresql' && right.kind === 'postgresql')
    return left.connectionUrl === right.connectionUrl && left.table === right.table;
  if (left.kind === 'etcd' && right.kind === 'etcd')
    return String(left.addresses) === String(right.addresses) && left.path === right.path;
  return false;
}
