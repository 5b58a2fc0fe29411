import { renameSync, rmSync } from 'node:fs';
import type { Command } from '../command.ts';
import { doing } from '../command-error.ts';

const PATH = 'sys/storage/raft/snapshot';

const save: Command = {
  name: 'operator raft snapshot save',
  synopsis: 'Saves a snapshot of the current state of the Raft cluster into a file',
  usage: '<snapshot_file>',
  help: 'Saves a snapshot into a file, which appears only once it is whole.\n\n    $ vault operator raft snapshot save raft.snap',
  http: true,
  arguments: { min: 1, max: 1 },
  async run({ client, args }) {
    const file = (args[0] ?? '').trim();
    // A snapshot that was there stays until there is a whole new one.
    const partial = `${file}.${String(process.pid)}.partial`;
    try {
      await doing('Error taking the snapshot', client.transfer({ method: 'GET', path: PATH, answerFile: partial }));
      renameSync(partial, file);
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
    const bodyFile = (args[0] ?? '').trim();
    await doing('Error installing the snapshot', client.transfer({ method: 'POST', path, bodyFile }));
    return 0;
  },
};

export const operatorSnapshotCommands: readonly Command[] = [save, restore];
