import type { Command } from '../command.ts';
import { doing } from '../command-error.ts';
import { UsageError, durationText } from '../flags.ts';
import { titledTable } from '../output/table.ts';
import { goValue } from '../output/go-value.ts';

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
    const answer = await doing('Error checking autopilot state', client.send({ method: 'GET', path: `${PATH}/state` }));
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
  return {
    Healthy: data.healthy,
    FailureTolerance: data.failure_tolerance,
    Servers: Object.fromEntries(servers.map(([id, server]) => [id, serverValue(server)])),
    Leader: data.leader,
    Voters: data.voters,
    NonVoters: data.non_voters ?? null,
    Upgrade: data.upgrade_info ?? null,
    OptimisticFailureTolerance: data.optimistic_failure_tolerance ?? 0,
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
  if (servers.size > 0) lines.push('Servers:');
  for (const [id, server] of [...servers].sort(([a], [b]) => (a < b ? -1 : 1))) {
    lines.push(`   ${id}`);
    for (const [title, field] of SERVER_ROWS)
      if (server[field] !== undefined && server[field] !== '') lines.push(row('      ', 19, title, server[field]));
  }
  return `${lines.join('\n')}\n`;
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
  ['Node Type', 'node_type'],
];

const CONFIG_ROWS: readonly (readonly [string, string])[] = [
  ['Cleanup Dead Servers', 'cleanup_dead_servers'],
  ['Last Contact Threshold', 'last_contact_threshold'],
  ['Dead Server Last Contact Threshold', 'dead_server_last_contact_threshold'],
  ['Server Stabilization Time', 'server_stabilization_time'],
  ['Min Quorum', 'min_quorum'],
  ['Max Trailing Logs', 'max_trailing_logs'],
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
      client.send({ method: 'GET', path: `${PATH}/configuration` }),
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
  ],
  arguments: { min: 0, max: 0 },
  async run({ client, flags, print }) {
    const cleanup = flags.text('cleanup-dead-servers');
    if (cleanup !== undefined && !/^(true|false)$/i.test(cleanup))
      throw new UsageError(`invalid boolean value "${cleanup}" for -cleanup-dead-servers`);
    const counts = ['max-trailing-logs', 'min-quorum'].filter((name) => flags.has(name));
    const times = ['last-contact-threshold', 'dead-server-last-contact-threshold', 'server-stabilization-time'].filter(
      (name) => flags.has(name),
    );
    const field = (name: string): string => name.replaceAll('-', '_');
    const body = {
      ...(cleanup === undefined ? {} : { cleanup_dead_servers: cleanup.toLowerCase() === 'true' }),
      ...Object.fromEntries(counts.map((name) => [field(name), flags.int(name)])),
      ...Object.fromEntries(times.map((name) => [field(name), durationText(flags.text(name))])),
    };
    if (Object.keys(body).length === 0) throw new UsageError('Must supply at least one setting');
    const answer = await doing(
      'Error setting the autopilot configuration',
      client.send({ method: 'POST', path: `${PATH}/configuration`, body }),
    );
    if (answer?.warnings?.length) print.warnings(answer);
    return 0;
  },
};

export const operatorAutopilotCommands: readonly Command[] = [state, getConfig, setConfig];
