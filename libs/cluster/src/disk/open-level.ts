import { mkdir } from 'node:fs/promises';
import { StorageError } from '@coffer/storage';
import { ClassicLevel } from 'classic-level';
import { checkBeforeOpening, damagedDisk, listTables, withWayBack } from './check-files.ts';

export type Level = ClassicLevel<string, Uint8Array>;

const LEVEL_OPTIONS = {
  keyEncoding: 'utf8',
  valueEncoding: 'view',
  // Values are ciphertext, which does not get smaller.
  compression: false,
  writeBufferSize: 16 << 20,
  cacheSize: 64 << 20,
  maxFileSize: 8 << 20,
} as const;

/**
 * Opens the database of a folder.
 *
 * Opening writes what the write-ahead log holds into new, synced tables and begins a new log, so that from here on
 * everything that is read is on the disk for certain, even where an earlier fsync failed and the page cache holds what
 * the disk does not ("Can Applications Recover from fsync Failures?", Rebello et al., USENIX ATC 2020).
 *
 * @param create whether the folder may be new
 * @returns the database, and its tables as they were before it was opened: all of them are finished
 * @throws StorageError `disk` where the folder is in use or cannot be used; `corrupt`
 */
export async function openLevel(
  path: string,
  create: boolean,
): Promise<{ readonly db: Level; readonly tables: readonly string[] }> {
  const tables = await prepare(path, create).catch((error: unknown) => {
    throw error instanceof StorageError ? error : diskError('the storage folder cannot be used', error);
  });
  const db: Level = new ClassicLevel<string, Uint8Array>(path, { ...LEVEL_OPTIONS, createIfMissing: create });
  await db.open().catch((error: unknown) => {
    throw openingFailed(error);
  });
  return { db, tables };
}

async function prepare(path: string, create: boolean): Promise<readonly string[]> {
  if (create) await mkdir(path, { recursive: true, mode: 0o700 });
  await checkBeforeOpening(path);
  return listTables(path);
}

function openingFailed(error: unknown): StorageError {
  const cause = (error as { cause?: unknown }).cause ?? error;
  if ((cause as { code?: unknown }).code === 'LEVEL_LOCKED') {
    return new StorageError('disk', 'the storage folder is in use by another process');
  }
  return levelError('the storage folder cannot be opened', cause);
}

/** Whether the database, and not who called it, is at fault. */
export function isFault(error: unknown): boolean {
  const { code, message } = error as { code?: unknown; message?: unknown };
  // Of synchronous calls, only damage has a code.
  return code === 'LEVEL_CORRUPTION' || code === 'corrupt' || String(message).startsWith('IO error');
}

/** What LevelDB or the file system said, as a StorageError: `corrupt` for damage, else `disk`. */
export function levelError(message: string, cause: unknown): StorageError {
  if (cause instanceof StorageError) return withWayBack(cause);
  if ((cause as { code?: unknown }).code === 'LEVEL_CORRUPTION') return damagedDisk(textOf(cause), cause);
  return diskError(message, cause);
}

function diskError(message: string, cause: unknown): StorageError {
  return new StorageError('disk', `${message}: ${textOf(cause)}`, { cause });
}

/** LevelDB names files and the system's error, no keys. */
function textOf(cause: unknown): string {
  const { message } = cause as { message?: unknown };
  return typeof message === 'string' ? message : 'unknown error';
}

/** @throws StorageError `disk`, `corrupt` */
export async function written(writing: Promise<void>): Promise<void> {
  try {
    await writing;
  } catch (cause) {
    throw levelError('the disk could not be written', cause);
  }
}
