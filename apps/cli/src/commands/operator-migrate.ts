import type { Command } from '../command.ts';
import { UsageError } from '../flags.ts';

const migrate: Command = {
  name: 'operator migrate',
  synopsis: 'Migrates data between storage backends',
  usage: '[options]',
  help: 'Moves all data from one storage to another while no server runs, and compares both at the end. It can be stopped and run again: it goes on where it was. The data stays encrypted, and the keys that unseal it stay the same.\n\n    $ vault operator migrate -config=migrate.hcl\n\nThe file names both storages as a server\'s configuration does:\n\n    storage_source "postgresql" {\n      connection_url = "postgres://…"\n    }\n    storage_destination "raft" {\n      path    = "/var/lib/coffer"\n      node_id = "node-1"\n    }\n    cluster_addr = "https://node-1.example.com:8201"',
  flags: [
    { name: 'config', kind: 'text', value: 'string', help: 'File with storage_source and storage_destination.' },
    { name: 'start', kind: 'text', value: 'string', help: 'Copy only keys from this one on.' },
    {
      name: 'reset',
      kind: 'bool',
      help: 'Give up a migration that was begun: remove what it copied. Nothing is migrated.',
    },
    { name: 'max-parallel', kind: 'int', value: 'int', help: 'Values that are read at a time; 10 if left out.' },
    { name: 'log-level', kind: 'text', value: 'string', help: 'Level of the log: trace, debug, info, warn, error.' },
  ],
  arguments: { min: 0, max: 0 },
  async run({ flags }) {
    const config = flags.text('config');
    if (config === undefined || config === '')
      throw new UsageError('Must specify exactly one config path using -config');
    const parallelMax = flags.int('max-parallel') ?? 10;
    if (!Number.isSafeInteger(parallelMax) || parallelMax < 1 || parallelMax > 1000)
      throw new UsageError('-max-parallel: expected a whole number from 1 to 1000');
    const { runMigrate } = await import('@coffer/server/migrate');
    return runMigrate({
      config,
      start: flags.text('start'),
      reset: flags.bool('reset'),
      parallelMax,
      logLevel: flags.text('log-level') ?? 'warn',
    });
  },
};

export const operatorMigrateCommands: readonly Command[] = [migrate];
