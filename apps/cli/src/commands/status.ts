import { ConnectionError } from '@coffer/api-client';
import type { ApiResponse } from '@coffer/api-client';
import type { Command, CommandContext } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { titledTable } from '../output/table.ts';

/** Rows of a seal's status, as `status` and `operator unseal` print them. */
export function sealRows(seal: ApiResponse, leader: ApiResponse | undefined): readonly (readonly string[])[] {
  const text = (name: string): string => String(seal[name] ?? '');
  const sealed = seal.sealed === true;
  const rows: (readonly string[])[] = [
    ['Seal Type', text('type')],
    ['Initialized', text('initialized')],
    ['Sealed', text('sealed')],
    ['Total Shares', text('n')],
    ['Threshold', text('t')],
  ];
  if (sealed) rows.push(['Unseal Progress', `${text('progress')}/${text('t')}`], ['Unseal Nonce', text('nonce')]);
  rows.push(['Version', text('version')]);
  if (seal.build_date) rows.push(['Build Date', text('build_date')]);
  rows.push(['Storage Type', text('storage_type')]);
  if (seal.cluster_name) rows.push(['Cluster Name', text('cluster_name')], ['Cluster ID', text('cluster_id')]);
  if (!leader) return rows;
  rows.push(['HA Enabled', String(leader.ha_enabled)]);
  if (leader.ha_enabled !== true) return rows;
  if (sealed) return [...rows, ['HA Mode', 'sealed']];
  const address = (name: string): string => String(leader[name] || '<none>');
  rows.push(
    ['HA Cluster', address('leader_cluster_address')],
    ['HA Mode', leader.is_self === true ? 'active' : 'standby'],
  );
  if (leader.is_self === true) {
    if (leader.active_time) rows.push(['Active Since', String(leader.active_time)]);
  } else rows.push(['Active Node Address', address('leader_address')]);
  if (leader.raft_committed_index) rows.push(['Raft Committed Index', String(leader.raft_committed_index)]);
  if (leader.raft_applied_index) rows.push(['Raft Applied Index', String(leader.raft_applied_index)]);
  return rows;
}

/** Who leads, where that can be asked. */
export async function leaderOf({ probe }: CommandContext): Promise<ApiResponse | undefined> {
  return probe.send({ method: 'GET', path: 'sys/leader' });
}

/** What Vault's clients add to a seal's status; what says nothing is left out. */
function leadership(leader: ApiResponse): Record<string, unknown> {
  const names = [
    'is_self',
    'active_time',
    'leader_address',
    'leader_cluster_address',
    'performance_standby',
    'performance_standby_last_remote_wal',
    'last_wal',
    'raft_committed_index',
    'raft_applied_index',
  ];
  const given = names.filter((name) => leader[name] && leader[name] !== '0001-01-01T00:00:00Z');
  return { ha_enabled: leader.ha_enabled ?? false, ...Object.fromEntries(given.map((name) => [name, leader[name]])) };
}

/** Prints a seal's status. */
export function printSeal({ print }: CommandContext, seal: ApiResponse, leader: ApiResponse | undefined): void {
  if (print.value({ build_date: '', ...seal, ...(leader ? leadership(leader) : {}) })) return;
  print.line(titledTable(['Key', 'Value'], sealRows(seal, leader)));
}

const status: Command = {
  name: 'status',
  synopsis: 'Print seal and HA status',
  usage: '[options]',
  help: 'Prints whether the server is sealed, and its part in the cluster. Exit code: 0 if unsealed, 2 if sealed, 1 for an error.\n\n    $ vault status',
  http: true,
  output: 'format',
  arguments: { min: 0, max: 0 },
  async run(context) {
    try {
      const seal = await context.client.send({ method: 'GET', path: 'sys/seal-status' });
      if (!seal) throw new CommandError('Error checking seal status: no answer', 1);
      printSeal(context, seal, await leaderOf(context));
      return seal.sealed === true ? 2 : 0;
    } catch (error) {
      if (error instanceof ConnectionError) throw new CommandError(`Error checking seal status: ${error.message}`, 1);
      throw error;
    }
  },
};

export const statusCommands: readonly Command[] = [status];
