import { open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { StorageError } from '@coffer/storage';
import { TableDamage, verifyTable } from './table-file.ts';
import { inspectWal } from './wal-file.ts';

/** How a node whose disk is damaged comes back: part of every message about it. */
const WAY_BACK =
  'move the storage folder away and start this node with an empty one: it joins again and gets the state from the ' +
  'others; a cluster of one node is restored from a snapshot';

/** Errors that say the way back. */
const withWay = new WeakSet<StorageError>();

/** @param what which file or record is damaged, and how; no data */
export function damagedDisk(what: string, cause?: unknown): StorageError {
  const error = new StorageError('corrupt', `the database is damaged (${what}); ${WAY_BACK}`, { cause });
  withWay.add(error);
  return error;
}

/** The same failure, with the way back said where it is damage of the disk and that is not said yet. */
export function withWayBack(error: StorageError): StorageError {
  return error.code !== 'corrupt' || withWay.has(error) ? error : damagedDisk(error.message, error);
}

const isTable = (name: string): boolean => /^\d+\.(?:ldb|sst)$/.test(name);
const isWal = (name: string): boolean => /^\d+\.log$/.test(name);

/**
 * Looks, before LevelDB does, for damage that LevelDB would pass over: records of the write-ahead log that it would
 * drop, and a folder that it would take for a new one and empty.
 *
 * @throws StorageError `corrupt`; errors of the file system as they are
 */
export async function checkBeforeOpening(folder: string): Promise<void> {
  const names = await readdir(folder);
  const wals = names.filter(isWal);
  if (!names.includes('CURRENT')) {
    if (wals.length > 0 || names.some(isTable)) throw damagedDisk('the file CURRENT is missing');
    return;
  }
  if (wals.length === 0 && names.some(isTable)) throw damagedDisk('the write-ahead log is missing');
  for (const name of wals) {
    const { damagedInside } = inspectWal(await readFile(join(folder, name)));
    if (damagedInside) throw damagedDisk(`a record of the write-ahead log ${name}`);
  }
}

/** The tables of a folder. Of an open database, some may be still being written. */
export async function listTables(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter(isTable);
}

/** Tables are verified in slices of so many bytes, with a rest between. */
const SLICE_BYTES = 256 << 10;

/**
 * Verifies the checksums of tables. One that is compacted away meanwhile is none any more.
 *
 * @param names finished tables, as `listTables` gave them before the database was opened
 * @param rest waits between slices of about 256 KiB; throws to end it
 * @returns how many bytes were verified
 * @throws StorageError `corrupt`; errors of the file system as they are
 */
export async function verifyTables(
  folder: string,
  names: readonly string[],
  rest: () => Promise<void>,
): Promise<number> {
  let total = 0;
  let slice = 0;
  const count = async (bytes: number): Promise<void> => {
    total += bytes;
    slice += bytes;
    if (slice < SLICE_BYTES) return;
    slice = 0;
    await rest();
  };
  for (const name of names) {
    await rest();
    const file = await open(join(folder, name)).catch(goneAway);
    if (file === undefined) continue;
    try {
      await verifyTable(file, count);
    } catch (error) {
      if (error instanceof TableDamage) throw damagedDisk(`table ${name}: ${error.message}`);
      throw error;
    } finally {
      await file.close();
    }
  }
  return total;
}

function goneAway(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
  throw error;
}
