import { accessSync, closeSync, constants, fsyncSync, openSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import type * as files from '@coffer/server/snapshot-files';
import type { Command } from '../command.ts';
import { CommandError, doing } from '../command-error.ts';
import { UsageError } from '../flags.ts';
import { reason } from '../key-values.ts';
import { table, titledTable } from '../output/table.ts';

const PATH = 'sys/storage/raft/snapshot';
/** A large state is read, or put in its place, for a while without a byte on the line. */
const SILENCE_MS_MAX = 15 * 60_000;

/** Loaded where it is needed: it is part of the server. */
const snapshotFiles = (): Promise<typeof files> => import('@coffer/server/snapshot-files');

/** Puts what was tried before what is wrong with a file. */
async function reading<T>(what: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof Error && (error.name === 'ArchiveError' || error.name === 'StorageError'))
      throw new CommandError(`${what}: ${error.message}`, 2);
    throw error;
  }
}

function fileName(args: readonly string[], which: string): string {
  const file = (args[0] ?? '').trim();
  if (file === '') throw new UsageError(`${which} file name is required`);
  return file;
}

/** So that a file is there after a power failure, too. */
function sync(path: string): void {
  const handle = openSync(path, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

const save: Command = {
  name: 'operator raft snapshot save',
  synopsis: 'Saves a snapshot of the current state of the Raft cluster into a file',
  usage: '<snapshot_file>',
  help: 'Saves a snapshot into a file, which appears only once it is whole and every sum in it was checked.\n\n    $ vault operator raft snapshot save raft.snap',
  http: true,
  arguments: { min: 1, max: 1 },
  async run({ client, args }) {
    const file = fileName(args, 'Output');
    // A snapshot that was there stays until there is a whole new one.
    const partial = `${file}.${String(process.pid)}.partial`;
    try {
      await doing(
        'Error taking the snapshot',
        client.transfer({ method: 'GET', path: PATH, answerFile: partial, timeoutMsMin: SILENCE_MS_MAX }),
      );
      const { verifySnapshotFile } = await snapshotFiles();
      await reading('Error taking the snapshot', verifySnapshotFile(partial));
      sync(partial);
      renameSync(partial, file);
      sync(dirname(file));
    } finally {
      rmSync(partial, { force: true });
    }
    return 0;
  },
};

const restore: Command = {
  name: 'operator raft snapshot restore',
  synopsis: 'Installs the provided snapshot, returning the cluster to the state defined in it',
  usage: '[options] <snapshot_file>',
  help: 'Restores a snapshot from a file.\n\n    $ vault operator raft snapshot restore raft.snap',
  http: true,
  flags: [{ name: 'force', kind: 'bool', help: 'Restore a snapshot of another cluster.' }],
  arguments: { min: 1, max: 1 },
  async run({ client, flags, args }) {
    const path = flags.bool('force') ? `${PATH}-force` : PATH;
    const bodyFile = fileName(args, 'Snapshot');
    try {
      accessSync(bodyFile, constants.R_OK);
    } catch (error) {
      throw new CommandError(`Error opening the snapshot file: open ${bodyFile}: ${reason(error)}`);
    }
    await doing(
      'Error installing the snapshot',
      client.transfer({ method: 'POST', path, bodyFile, timeoutMsMin: SILENCE_MS_MAX }),
    );
    return 0;
  },
};

const inspect: Command = {
  name: 'operator raft snapshot inspect',
  synopsis: 'Inspects raft snapshot',
  usage: '[options] <snapshot_file>',
  help: 'Checks every sum in the file of a snapshot and shows what it is made of. Nothing in it is decrypted, and no server is asked.\n\n    $ vault operator raft snapshot inspect raft.snap',
  output: 'format',
  flags: [
    { name: 'details', kind: 'bool', help: 'Show what lies below which keys. The default is true.' },
    { name: 'depth', kind: 'int', value: 'int', help: 'Segments of a key that are shown. The default is 2.' },
    { name: 'filter', kind: 'text', value: 'string', help: 'Count only keys that begin with it.' },
  ],
  arguments: { min: 1, max: 1 },
  async run({ flags, args, print }) {
    const file = fileName(args, 'Snapshot');
    const depth = flags.int('depth') ?? 2;
    if (!Number.isSafeInteger(depth) || depth < 1) throw new UsageError('-depth: expected a number of 1 or more');
    const { inspectSnapshotFile } = await snapshotFiles();
    const inspected = await reading(
      'Error inspecting the snapshot',
      inspectSnapshotFile(file, { depth, filter: flags.text('filter') ?? '' }),
    );
    const { meta, shares, count, size } = inspected;
    const details = flags.boolOr('details') ?? true;
    const shown = {
      Meta: { ID: meta.ID, Size: meta.Size, Index: meta.Index, Term: meta.Term, Version: meta.Version },
      ...(details
        ? {
            StatsKV: shares.map((share) => ({ Name: share.name, Count: share.count, Size: share.size })),
            TotalCountKV: count,
            TotalSizeKV: size,
          }
        : {}),
    };
    if (print.value(shown)) return 0;
    print.line(table(Object.entries(shown.Meta).map(([name, value]) => [` ${name}`, String(value)])));
    if (!details) return 0;
    const rows = shares.map((share) => [share.name, String(share.count), bytes(share.size)]);
    print.line('');
    print.line(titledTable(['Key Name', 'Count', 'Size'], [...rows, ['Total', String(count), bytes(size)]]));
    return 0;
  },
};

/** As people read them. */
function bytes(count: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  let value = count;
  let unit = 0;
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024;
  return unit === 0 ? `${String(count)}B` : `${value.toFixed(1)}${units[unit] ?? ''}`;
}

export const operatorSnapshotCommands: readonly Command[] = [inspect, restore, save];
