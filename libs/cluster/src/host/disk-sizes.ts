import { readdir, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { LevelDisk } from '../disk/level-disk.ts';

/** Of a node's disk, in bytes. */
export interface DiskSizes {
  readonly stateBytes: number;
  /** Of all files of the folder. */
  readonly diskBytes: number;
  /** Left on its file system. */
  readonly diskFreeBytes: number;
}

export const NO_SIZES: DiskSizes = { stateBytes: 0, diskBytes: 0, diskFreeBytes: 0 };

/** @throws errors of the file system; StorageError as `LevelDisk` */
export async function measureDisk(folder: string, disk: LevelDisk): Promise<DiskSizes> {
  const [room, diskBytes, stateBytes] = await Promise.all([freeRoom(folder), folderBytes(folder), disk.stateBytes()]);
  return { stateBytes, diskBytes, diskFreeBytes: room.freeBytes };
}

/** The room that is left on a folder's file system, and how large that is. */
export async function freeRoom(folder: string): Promise<{ readonly freeBytes: number; readonly totalBytes: number }> {
  const { bavail, blocks, bsize } = await statfs(folder);
  return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
}

async function folderBytes(folder: string): Promise<number> {
  const sizes = await Promise.all(
    (await readdir(folder)).map((name) =>
      stat(join(folder, name)).then(
        ({ size }) => size,
        // Compaction deletes files at any time.
        () => 0,
      ),
    ),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}
