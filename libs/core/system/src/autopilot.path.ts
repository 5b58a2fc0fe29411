import { badRequest, definePath, field } from '@coffer/sdk';
import type { PathDeclaration, Response } from '@coffer/sdk';
import { formatDuration } from '@coffer/kernel';
import type { AutopilotServer, AutopilotSettings, AutopilotState, AutopilotUpgrade, AutopilotVersions } from '@coffer/storage'; // prettier-ignore

/** What `sys/storage/raft/autopilot/` asks of the active node. */
export interface AutopilotOperations {
  /** Undefined where this node does not lead. */
  autopilotState(): AutopilotState | undefined;
  /** As set, over the defaults. */
  autopilotSettings(): Promise<AutopilotSettings>;
  /** Stores what is given and leaves the rest; zero is the default. */
  setAutopilot(change: Partial<AutopilotSettings>): Promise<void>;
}

/** Vault's limits where dead servers are removed. */
const MIN_QUORUM_LOWEST = 3;
const DEAD_THRESHOLD_LOWEST_SECONDS = 60;

/** `sys/storage/raft/autopilot/…`. */
export function autopilotPaths(raft: AutopilotOperations): readonly PathDeclaration<unknown>[] {
  return [
    definePath('storage/raft/autopilot/state', {
      fields: {},
      help: { synopsis: 'How the members of the raft cluster are, as the active node finds them.' },
      read: {
        summary: 'The state of the members',
        runs: 'active',
        handler: (): Response | undefined => {
          const state = raft.autopilotState();
          return state && { data: stateData(state) };
        },
      },
    }),
    configurationPath(raft),
  ];
}

function configurationPath(raft: AutopilotOperations): PathDeclaration<unknown> {
  return definePath('storage/raft/autopilot/configuration', {
    fields: {
      cleanup_dead_servers: field.bool('Remove members that have been dead for long.'),
      last_contact_threshold: field.duration('Silence after which a member is unhealthy.'),
      dead_server_last_contact_threshold: field.duration('Silence after which a member counts as dead.'),
      max_trailing_logs: field.int('Entries of the log that a healthy member may be behind.'),
      min_quorum: field.int('The fewest voters that the removal of dead members leaves; at least 3.'),
      server_stabilization_time: field.duration('How long a new member must be healthy before it gets a vote.'),
      disable_upgrade_migration: field.bool('Leave votes where they are when members of a newer version come.'),
    },
    help: { synopsis: 'When a member counts as unhealthy or dead, and what is done about it.' },
    read: {
      summary: 'The settings',
      runs: 'active',
      handler: async (): Promise<Response> => ({ data: settingsData(await raft.autopilotSettings()) }),
    },
    update: {
      summary: 'Change the settings',
      handler: async (_: unknown, fields): Promise<undefined> => {
        const change = {
          ...given('cleanupDeadServers', fields.cleanup_dead_servers),
          ...given('lastContactThresholdSeconds', notNegative(fields, 'last_contact_threshold')),
          ...given('deadServerLastContactThresholdSeconds', notNegative(fields, 'dead_server_last_contact_threshold')),
          ...given('maxTrailingLogs', notNegative(fields, 'max_trailing_logs')),
          ...given('minQuorum', notNegative(fields, 'min_quorum')),
          ...given('serverStabilizationSeconds', notNegative(fields, 'server_stabilization_time')),
          ...given('disableUpgradeMigration', fields.disable_upgrade_migration),
        };
        const before = await raft.autopilotSettings();
        refuseUnsafe({ ...before, ...withoutZeros(change) });
        await raft.setAutopilot(change);
        return undefined;
      },
    },
  });
}

function given<K extends keyof AutopilotSettings>(
  name: K,
  value: AutopilotSettings[K] | undefined,
): Partial<AutopilotSettings> {
  return value === undefined ? {} : { [name]: value };
}

/** Zero is "as by default", for the default to be judged. */
function withoutZeros(change: Partial<AutopilotSettings>): Partial<AutopilotSettings> {
  return Object.fromEntries(Object.entries(change).filter(([, value]) => value !== 0));
}

function notNegative(fields: Readonly<Record<string, unknown>>, name: string): number | undefined {
  const value = fields[name];
  if (typeof value !== 'number') return undefined;
  if (value < 0) throw badRequest(`${name}: expected a value that is not negative`);
  return value;
}

function refuseUnsafe(settings: AutopilotSettings): void {
  if (!settings.cleanupDeadServers) return;
  const { minQuorum, deadServerLastContactThresholdSeconds: deadSeconds } = settings;
  if (minQuorum < MIN_QUORUM_LOWEST) {
    throw badRequest(
      `min_quorum must be set when cleanup_dead_servers is set and it should at least be ${String(MIN_QUORUM_LOWEST)}; cleanup_dead_servers: true, min_quorum: ${String(minQuorum)}`,
    );
  }
  if (deadSeconds < DEAD_THRESHOLD_LOWEST_SECONDS) {
    throw badRequest(
      `dead_server_last_contact_threshold should not be set to less than 1m; received: ${String(deadSeconds)}`,
    );
  }
}

function settingsData(settings: AutopilotSettings): Record<string, unknown> {
  return {
    cleanup_dead_servers: settings.cleanupDeadServers,
    dead_server_last_contact_threshold: formatDuration(settings.deadServerLastContactThresholdSeconds),
    disable_upgrade_migration: settings.disableUpgradeMigration,
    last_contact_threshold: formatDuration(settings.lastContactThresholdSeconds),
    max_trailing_logs: settings.maxTrailingLogs,
    min_quorum: settings.minQuorum,
    server_stabilization_time: formatDuration(settings.serverStabilizationSeconds),
  };
}

function stateData(state: AutopilotState): Record<string, unknown> {
  const servers = new Map(state.servers.map((server) => [server.nodeId, serverData(server)]));
  const { redundancy, upgrade } = state;
  return {
    failure_tolerance: state.failureTolerance,
    healthy: state.healthy,
    leader: state.leader,
    ...(state.nonVoters.length === 0 ? {} : { non_voters: state.nonVoters }),
    ...(redundancy === undefined ? {} : redundancyData(redundancy)),
    servers: Object.fromEntries(servers),
    ...(upgrade === undefined ? {} : { upgrade_info: upgradeData(upgrade) }),
    voters: state.voters,
  };
}

function redundancyData(redundancy: NonNullable<AutopilotState['redundancy']>): Record<string, unknown> {
  const zones = [...redundancy.zones].map(([name, { servers, voters, failureTolerance }]) => [
    name,
    { servers, voters, failure_tolerance: failureTolerance },
  ]);
  return {
    optimistic_failure_tolerance: redundancy.optimisticFailureTolerance,
    redundancy_zones: Object.fromEntries(zones) as Record<string, unknown>,
  };
}

/** Lists of nobody are left out, as Vault does. */
function upgradeData(upgrade: AutopilotUpgrade): Record<string, unknown> {
  const zones = [...upgrade.zones].map(([name, versions]) => [name, versionsData(versions)]);
  return {
    status: upgrade.status,
    target_version: upgrade.targetVersion,
    ...versionsData(upgrade),
    ...listed('target_version_read_replicas', upgrade.targetReadReplicas),
    ...listed('other_version_read_replicas', upgrade.otherReadReplicas),
    ...(zones.length === 0 ? {} : { redundancy_zones: Object.fromEntries(zones) as Record<string, unknown> }),
  };
}

function versionsData(versions: AutopilotVersions): Record<string, unknown> {
  return {
    ...listed('target_version_voters', versions.targetVoters),
    ...listed('target_version_non_voters', versions.targetNonVoters),
    ...listed('other_version_voters', versions.otherVoters),
    ...listed('other_version_non_voters', versions.otherNonVoters),
  };
}

const listed = (name: string, names: readonly string[]): Record<string, readonly string[]> =>
  names.length === 0 ? {} : { [name]: names };

function serverData(server: AutopilotServer): Record<string, unknown> {
  return {
    address: server.address,
    healthy: server.healthy,
    id: server.nodeId,
    last_contact: contactText(server.lastContactMs),
    last_index: server.lastIndex,
    last_term: server.lastTerm,
    name: server.nodeId,
    node_status: server.alive ? 'alive' : 'left',
    node_type: server.type,
    ...(server.zone === undefined ? {} : { redundancy_zone: server.zone }),
    stable_since: new Date(server.stableSinceMs).toISOString(),
    status: server.leader ? 'leader' : server.voter ? 'voter' : 'non-voter',
    upgrade_version: server.upgradeVersion ?? '',
    version: server.version ?? '',
  };
}

/** As Go prints durations: `0s`, `860ms`, `1.2s`, `2m3s`. */
function contactText(ms: number): string {
  if (ms === 0) return '0s';
  if (ms < 1000) return `${String(Math.round(ms))}ms`;
  return ms < 60_000 ? `${String(Math.round(ms) / 1000)}s` : formatDuration(Math.floor(ms / 1000));
}
