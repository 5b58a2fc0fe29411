import type { Command } from '../command.ts';
import { doing } from '../command-error.ts';
import { UsageError, durationText } from '../flags.ts';
import { titledTable } from '../output/table.ts';
import { goValue } from '../output/go-value.ts';
import { orMissing } from './generic.ts';

const PATH = 'sys/storage/raft/autopilot';

const state: Command = {
  name: 'operator raft autopilot state',
  synopsis: 'Displays the state of the raft cluster under integrated storage as seen by autopilot',
  usage: '[options]',
  help: 'Shows how the members of the Raft cluster are.\n\n    $ vault operator raft autopilot state',
  http: true,
  output: 'format',
  arguments: { min: 0, max: 0 },
  async run({ client, print }) {
    // a server without Raft has no autopilot to tell of
    const answer = await doing(
      'Error checking autopilot state',
      orMissing(client.send({ method: 'GET', path: `${PATH}/state` })),
    );
    const data = answer?.data;
    if (!data) return 0;
    if (print.value(stateValue(data))) return 0;
    print.line(stateText(data));
    return 0;
  },
};

type Data = Readonly<Record<string, unknown>>;

/** Vault prints its Go client's value, which has the names of Go. */
function stateValue(data: Data): Data {
  const servers = Object.entries((data.servers ?? {}) as Readonly<Record<string, Data>>);
  const zones = Object.entries((data.redundancy_zones ?? {}) as Readonly<Record<string, Data>>);
  return {
    Healthy: data.healthy,
    FailureTolerance: data.failure_tolerance,
    Servers: Object.fromEntries(servers.map(([id, server]) => [id, serverValue(server)])),
    Leader: data.leader,
    Voters: data.voters,
    NonVoters: data.non_voters ?? null,
    ...(zones.length === 0 ? {} : { RedundancyZones: Object.fromEntries(zones.map(([name, zone]) => [name, zoneValue(zone)])) }), // prettier-ignore
    Upgrade: data.upgrade_info === undefined ? null : upgradeValue(data.upgrade_info as Data),
    OptimisticFailureTolerance: data.optimistic_failure_tolerance ?? 0,
  };
}

function zoneValue(zone: Data): Data {
  return { Servers: zone.servers, Voters: zone.voters, FailureTolerance: zone.failure_tolerance };
}

/** As the API names the lists of an upgrade, as the Go client does, and as people read them. */
const UPGRADE_LISTS: readonly (readonly [string, string, string])[] = [
  ['target_version_voters', 'TargetVersionVoters', 'Target Version Voters'],
  ['target_version_non_voters', 'TargetVersionNonVoters', 'Target Version Non-Voters'],
  ['target_version_read_replicas', 'TargetVersionReadReplicas', 'Target Version Read Replicas'],
  ['other_version_voters', 'OtherVersionVoters', 'Other Version Voters'],
  ['other_version_non_voters', 'OtherVersionNonVoters', 'Other Version Non-Voters'],
  ['other_version_read_replicas', 'OtherVersionReadReplicas', 'Other Version Read Replicas'],
];

function upgradeValue(upgrade: Data): Data {
  const zones = Object.entries((upgrade.redundancy_zones ?? {}) as Readonly<Record<string, Data>>);
  const listsOf = (data: Data, lists: typeof UPGRADE_LISTS): Data =>
    Object.fromEntries(lists.map(([field, name]) => [name, data[field] ?? null]));
  const ofZones = UPGRADE_LISTS.filter(([field]) => !field.endsWith('_read_replicas'));
  return {
    Status: upgrade.status,
    TargetVersion: upgrade.target_version,
    ...listsOf(upgrade, UPGRADE_LISTS),
    RedundancyZones:
      zones.length === 0 ? null : Object.fromEntries(zones.map(([name, zone]) => [name, listsOf(zone, ofZones)])),
  };
}

function serverValue(server: Data): Data {
  return {
    ID: server.id,
    Name: server.name,
    Address: server.address,
    NodeStatus: server.node_status,
    LastContact: server.last_contact,
    LastTerm: server.last_term,
    LastIndex: server.last_index,
    Healthy: server.healthy,
    StableSince: server.stable_since,
    Status: server.status,
    Version: server.version,
    UpgradeVersion: server.upgrade_version ?? '',
    ...(server.redundancy_zone === undefined ? {} : { RedundancyZone: server.redundancy_zone }),
    NodeType: server.node_type ?? '',
  };
}

/** As Vault lays it out: what is true of the cluster, then each server below its name. */
function stateText(data: Data): string {
  const row = (indent: string, width: number, name: string, value: unknown): string =>
    `${indent}${`${name}:`.padEnd(width)}${goValue(value ?? '')}`;
  const servers = new Map(Object.entries((data.servers ?? {}) as Readonly<Record<string, Data>>));
  const nonVoters = (data.non_voters ?? []) as readonly string[];
  const lines = [
    row('', 33, 'Healthy', data.healthy),
    row('', 33, 'Failure Tolerance', data.failure_tolerance),
    row('', 33, 'Leader', data.leader),
    'Voters:',
    ...((data.voters ?? []) as readonly string[]).map((voter) => `   ${voter}`),
    ...(nonVoters.length === 0 ? [] : ['Non Voters:', ...nonVoters.map((nonVoter) => `   ${nonVoter}`)]),
  ];
  if (data.optimistic_failure_tolerance) {
    lines.push(row('', 33, 'Optimistic Failure Tolerance', data.optimistic_failure_tolerance));
  }
  lines.push(...zoneLines(data));
  if (servers.size > 0) lines.push('Servers:');
  for (const [id, server] of [...servers].sort(([a], [b]) => (a < b ? -1 : 1))) {
    lines.push(`   ${id}`);
    for (const [title, field] of SERVER_ROWS)
      if (server[field] !== undefined && server[field] !== '') lines.push(row('      ', 19, title, server[field]));
  }
  lines.push(...upgradeLines(data.upgrade_info as Data | undefined));
  return `${lines.join('\n')}\n`;
}

const joined = (names: unknown): string => ((names ?? []) as readonly string[]).join(', ');

function zoneLines(data: Data): readonly string[] {
  const zones = Object.entries((data.redundancy_zones ?? {}) as Readonly<Record<string, Data>>);
  if (zones.length === 0) return [];
  const linesOf = ([name, zone]: readonly [string, Data]): readonly string[] => [
    `   ${name}`,
    `      Servers: ${joined(zone.servers)}`,
    `      Voters: ${joined(zone.voters)}`,
    `      Failure Tolerance: ${goValue(zone.failure_tolerance ?? 0)}`,
  ];
  return ['Redundancy Zones:', ...zones.sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(linesOf)];
}

function upgradeLines(upgrade: Data | undefined): readonly string[] {
  if (upgrade === undefined) return [];
  const shown = UPGRADE_LISTS.filter(([field]) => !field.endsWith('_read_replicas') || upgrade[field] !== undefined);
  return [
    'Upgrade Info:',
    `   Status: ${goValue(upgrade.status)}`,
    `   Target Version: ${goValue(upgrade.target_version)}`,
    ...shown.map(([field, , title]) => `   ${title}: ${joined(upgrade[field])}`),
  ];
}

const SERVER_ROWS: readonly (readonly [string, string])[] = [
  ['Name', 'name'],
  ['Address', 'address'],
  ['Status', 'status'],
  ['Node Status', 'node_status'],
  ['Healthy', 'healthy'],
  ['Last Contact', 'last_contact'],
  ['Last Term', 'last_term'],
  ['Last Index', 'last_index'],
  ['Version', 'version'],
  ['Upgrade Version', 'upgrade_version'],
  ['Redundancy Zone', 'redundancy_zone'],
  ['Node Type', 'node_type'],
];

const CONFIG_ROWS: readonly (readonly [string, string])[] = [
  ['Cleanup Dead Servers', 'cleanup_dead_servers'],
  ['Last Contact Threshold', 'last_contact_threshold'],
  ['Dead Server Last Contact Threshold', 'dead_server_last_contact_threshold'],
  ['Server Stabilization Time', 'server_stabilization_time'],
  ['Min Quorum', 'min_quorum'],
  ['Max Trailing Logs', 'max_trailing_logs'],
  ['Disable Upgrade Migration', 'disable_upgrade_migration'],
];

const getConfig: Command = {
  name: 'operator raft autopilot get-config',
  synopsis: 'Returns the configuration of the autopilot subsystem under integrated storage',
  usage: '[options]',
  help: 'Shows the settings of autopilot.\n\n    $ vault operator raft autopilot get-config',
  http: true,
  output: 'format',
  arguments: { min: 0, max: 0 },
  async run({ client, print }) {
    const answer = await doing(
      'Error reading the autopilot configuration',
      orMissing(client.send({ method: 'GET', path: `${PATH}/configuration` })),
    );
    const data = answer?.data;
    if (!data) return 0;
    if (print.value(data)) return 0;
    print.line(
      titledTable(
        ['Key', 'Value'],
        CONFIG_ROWS.map(([title, field]) => [title, goValue(data[field])]),
      ),
    );
    return 0;
  },
};

const setConfig: Command = {
  name: 'operator raft autopilot set-config',
  synopsis: 'Modify the configuration of the autopilot subsystem under integrated storage',
  usage: '[options]',
  help: 'Changes the settings of autopilot that are given.\n\n    $ vault operator raft autopilot set-config -cleanup-dead-servers=true -min-quorum=3',
  http: true,
  flags: [
    { name: 'cleanup-dead-servers', kind: 'text', value: 'bool', help: 'Remove servers that have been dead for long.' },
    {
      name: 'last-contact-threshold',
      kind: 'duration',
      help: 'Silence of the leader after which a server is unhealthy.',
    },
    {
      name: 'dead-server-last-contact-threshold',
      kind: 'duration',
      help: 'Silence after which a server counts as dead.',
    },
    { name: 'max-trailing-logs', kind: 'int', help: 'Entries of the log that a server may be behind.' },
    { name: 'min-quorum', kind: 'int', help: 'Fewest voters that cleaning up leaves.' },
    {
      name: 'server-stabilization-time',
      kind: 'duration',
      help: 'How long a new server must be healthy to become a voter.',
    },
    {
      name: 'disable-upgrade-migration',
      kind: 'text',
      value: 'bool',
      help: 'Leave the votes where they are when servers of a newer version come.',
    },
  ],
  arguments: { min: 0, max: 0 },
  async run({ client, flags, print }) {
    const field = (name: string): string => name.replaceAll('-', '_');
    const switches = ['cleanup-dead-servers', 'disable-upgrade-migration'].flatMap((name) => {
      const text = flags.text(name);
      if (text === undefined) return [];
      if (!/^(true|false)$/i.test(text)) throw new UsageError(`invalid boolean value "${text}" for -${name}`);
      return [[field(name), text.toLowerCase() === 'true'] as const];
    });
    const counts = ['max-trailing-logs', 'min-quorum'].filter((name) => flags.has(name));
    const times = ['last-contact-threshold', 'dead-server-last-contact-threshold', 'server-stabilization-time'].filter(
      (name) => flags.has(name),
    );
    const body = {
      ...Object.fromEntries(switches),
      ...Object.fromEntries(counts.map((name) => [field(name), flags.int(name)])),
      ...Object.fromEntries(times.map((name) => [field(name), durationText(flags.text(name))])),
    };
    const answer = await doing(
      'Error setting the autopilot configuration',
      client.send({ method: 'PUT', path: `${PATH}/configuration`, body }),
    );
    if (answer?.warnings?.length) print.warnings(answer);
    return 0;
  },
};

export const operatorAutopilotCommands: readonly Command[] = [state, getConfig, setConfig];
