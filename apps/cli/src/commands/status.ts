import { ApiError } from '@coffer/api-client';
import type { ApiResponse } from '@coffer/api-client';
import type { Command, CommandContext } from '../command.ts';
import { CommandError, doing, failure } from '../command-error.ts';
import { titledTable } from '../output/table.ts';

/** Rows of a seal's status, as `status` and `operator unseal` print them. */
function sealRows(seal: ApiResponse, leader: ApiResponse): readonly (readonly string[])[] {
  const text = (name: string): string => String(seal[name] ?? '');
  const sealed = seal.sealed === true;
  const recovery = seal.recovery_seal === true;
  const rows: (readonly string[])[] = [['Seal Type', text('type')]];
  if (recovery) rows.push(['Recovery Seal Type', text('recovery_seal_type')]);
  rows.push(
    ['Initialized', text('initialized')],
    ['Sealed', text('sealed')],
    [recovery ? 'Total Recovery Shares' : 'Total Shares', text('n')],
    ['Threshold', text('t')],
  );
  if (sealed) rows.push(['Unseal Progress', `${text('progress')}/${text('t')}`], ['Unseal Nonce', text('nonce')]);
  if (seal.migration === true) rows.push(['Seal Migration in Progress', 'true']);
  rows.push(['Version', text('version')]);
  if (seal.build_date) rows.push(['Build Date', text('build_date')]);
  rows.push(['Storage Type', text('storage_type')]);
  if (seal.cluster_name && seal.cluster_id)
    rows.push(['Cluster Name', text('cluster_name')], ['Cluster ID', text('cluster_id')]);
  return [...rows, ...leaderRows(leader, sealed)];
}

function leaderRows(leader: ApiResponse, sealed: boolean): readonly (readonly string[])[] {
  const text = (name: string): string => String(leader[name] ?? '');
  const rows: (readonly string[])[] = [['HA Enabled', String(leader.ha_enabled === true)]];
  if (leader.ha_enabled === true && !sealed) {
    const self = leader.is_self === true;
    rows.push(['HA Cluster', text('leader_cluster_address')], ['HA Mode', self ? 'active' : 'standby']);
    if (self && leader.active_time && leader.active_time !== NO_TIME) rows.push(['Active Since', text('active_time')]);
    if (!self && leader.leader_address) rows.push(['Active Node Address', text('leader_address')]);
  }
  if (leader.raft_committed_index) rows.push(['Raft Committed Index', text('raft_committed_index')]);
  if (leader.raft_applied_index) rows.push(['Raft Applied Index', text('raft_applied_index')]);
  return rows;
}

const NO_TIME = '0001-01-01T00:00:00Z';

/** Who leads; a sealed server knows only that it is one of several. @throws CommandError */
export async function leaderOf({ probe }: CommandContext): Promise<ApiResponse> {
  try {
    return (await probe.send({ method: 'GET', path: 'sys/leader' })) ?? {};
  } catch (error) {
    if (error instanceof ApiError && error.errors.some((text) => text.includes('Vault is sealed')))
      return { ha_enabled: true };
    throw failure('Error checking leader status', error, 1);
  }
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
  const given = names.filter((name) => leader[name] && leader[name] !== NO_TIME);
  return { ha_enabled: leader.ha_enabled ?? false, ...Object.fromEntries(given.map((name) => [name, leader[name]])) };
}

/** Prints a seal's status. */
export function printSeal({ print }: CommandContext, seal: ApiResponse, leader: ApiResponse): void {
  if (print.value({ build_date: '', ...seal, ...leadership(leader) })) return;
  print.line(titledTable(['Key', 'Value'], sealRows(seal, leader)));
}

const status: Command = {
  name: 'status',
  synopsis: 'Print seal and HA status',
  usage: '[options]',
  help: 'Prints whether the server is sealed, and its part in the cluster. Exit code: 0 if unsealed, 2 if sealed, 1 for an error.\n\n    $ vault status',
  http: true,
  output: 'format',
  // 2 stands for a sealed server
  setupFailureCode: 1,
  arguments: { min: 0, max: 0 },
  async run(context) {
    const seal = await doing(
      'Error checking seal status',
      context.client.send({ method: 'GET', path: 'sys/seal-status', wrapTtl: '' }),
      1,
    );
    if (!seal) throw new CommandError('Error checking seal status: no answer', 1);
    printSeal(context, seal, await leaderOf(context));
    return seal.sealed === true ? 2 : 0;
  },
};

export const statusCommands: readonly Command[] = [status];
