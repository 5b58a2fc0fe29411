import type { Command } from '../command.ts';
import { CommandError, doing } from '../command-error.ts';
import { goValue } from '../output/go-value.ts';
import { titledTable } from '../output/table.ts';
import { orMissing } from './generic.ts';

const ROWS: readonly (readonly [string, string])[] = [
  ['Node', 'node_id'],
  ['Disk', 'disk'],
  ['Disk Error', 'disk_error'],
  ['Storage Folder', 'disk_bytes'],
  ['Free Space', 'disk_free_bytes'],
  ['State', 'state_bytes'],
  ['Log', 'log_bytes'],
  ['Log Entries', 'log_entries'],
  ['Log Indexes', 'log_first_index'],
  ['Commit Index', 'commit_index'],
  ['Applied Index', 'applied_index'],
  ['Term', 'term'],
  ['Last Synced Write', 'last_write_ms'],
  ['Longest Synced Write', 'longest_write_ms'],
];

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

/** Bytes for people: three digits and a unit. */
export function bytesText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  for (; value >= 1024 && unit < UNITS.length - 1; unit++) value /= 1024;
  return `${unit === 0 ? String(value) : value.toPrecision(value >= 1000 ? 4 : 3)} ${UNITS[unit] ?? 'B'}`;
}

function cell(field: string, data: Readonly<Record<string, unknown>>): string {
  const value = data[field];
  if (field === 'log_first_index') return `${goValue(value)} to ${goValue(data.log_last_index)}`;
  if (field.endsWith('_bytes')) return bytesText(Number(value));
  if (field.endsWith('_ms')) return `${Number(value).toFixed(1)} ms`;
  return goValue(value ?? '');
}

/** Vault has no such command: there, these figures are in the metrics alone. */
export const raftStatusCommand: Command = {
  name: 'operator raft status',
  synopsis: "Shows the condition and the sizes of a node's Raft storage",
  usage: '[options]',
  help: 'Shows how the disk of the node is that is asked, and how large its log and state are.\n\n    $ vault operator raft status',
  http: true,
  output: 'format',
  arguments: { min: 0, max: 0 },
  async run({ client, print }) {
    const answer = await doing(
      'Error reading the status of the raft storage',
      orMissing(client.send({ method: 'GET', path: 'sys/storage/raft/status' })),
    );
    const data = answer?.data;
    if (!answer || !data) throw new CommandError('No raft storage found');
    if (print.format !== 'table') return print.secret(answer);
    const rows = ROWS.filter(([, field]) => field !== 'disk_error' || data[field] !== '');
    print.line(
      titledTable(
        ['Key', 'Value'],
        rows.map(([title, field]) => [title, cell(field, data)]),
      ),
    );
    return 0;
  },
};
