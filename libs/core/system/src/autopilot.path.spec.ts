import { AUTOPILOT_DEFAULTS, type AutopilotServer, type AutopilotState } from '@coffer/storage';
import { autopilotPaths } from './autopilot.path.ts';
import { caller, outcome } from './test-world.fixture.ts';

const member: AutopilotServer = {
  nodeId: 'a',
  address: 'a:8201',
  alive: true,
  leader: true,
  voter: true,
  type: 'voter',
  lastContactMs: 0,
  lastTerm: 3,
  lastIndex: 29,
  healthy: true,
  stableSinceMs: 1_700_000_000_123,
  version: '1.2',
  upgradeVersion: '1.2',
};

function world(state?: AutopilotState) {
  let settings = AUTOPILOT_DEFAULTS;
  const changes: Partial<typeof AUTOPILOT_DEFAULTS>[] = [];
  const { call } = caller(
    autopilotPaths({
      autopilotState: () => state,
      autopilotSettings: () => Promise.resolve(settings),
      setAutopilot: (change) => {
        changes.push(change);
        settings = { ...settings, ...change };
        return Promise.resolve();
      },
    }),
  );
  return { call, changes };
}

describe('sys/storage/raft/autopilot/configuration', () => {
  const PATH = 'storage/raft/autopilot/configuration';

  it('shows the settings as Vault does', async () => {
    expect(await outcome(world().call('read', PATH))).toEqual({
      cleanup_dead_servers: false,
      dead_server_last_contact_threshold: '24h0m0s',
      disable_upgrade_migration: false,
      last_contact_threshold: '10s',
      max_trailing_logs: 1000,
      min_quorum: 0,
      server_stabilization_time: '10s',
    });
  });

  it('stores what is given, and only that', async () => {
    const { call, changes } = world();
    await call('update', PATH, { cleanup_dead_servers: true, min_quorum: 3, last_contact_threshold: 0 });
    expect(changes).toEqual([{ cleanupDeadServers: true, minQuorum: 3, lastContactThresholdSeconds: 0 }]);
  });

  it.each([
    [
      { cleanup_dead_servers: true },
      'min_quorum must be set when cleanup_dead_servers is set and it should at least be 3; cleanup_dead_servers: true, min_quorum: 0',
    ],
    [
      { cleanup_dead_servers: true, min_quorum: 3, dead_server_last_contact_threshold: 59 },
      'dead_server_last_contact_threshold should not be set to less than 1m; received: 59',
    ],
    [{ max_trailing_logs: -1 }, 'max_trailing_logs: expected a value that is not negative'],
    [{ server_stabilization_time: -1 }, 'server_stabilization_time: expected a value that is not negative'],
  ])('refuses %j and stores nothing', async (sent, complaint) => {
    const { call, changes } = world();
    expect(await outcome(call('update', PATH, sent))).toEqual([400, complaint]);
    expect(changes).toEqual([]);
  });

  it('refuses to make a stored setting unsafe afterwards', async () => {
    const { call } = world();
    await call('update', PATH, { cleanup_dead_servers: true, min_quorum: 3 });
    expect(await outcome(call('update', PATH, { min_quorum: 2 }))).toEqual([
      400,
      expect.stringContaining('min_quorum'),
    ]);
    // A threshold of zero is the default one, which is safe.
    expect(await outcome(call('update', PATH, { dead_server_last_contact_threshold: 0 }))).toBeUndefined();
  });
});

describe('sys/storage/raft/autopilot/state', () => {
  const PATH = 'storage/raft/autopilot/state';

  it('shows the members as Vault does', async () => {
    const { version, upgradeVersion, ...silent } = member;
    expect([version, upgradeVersion]).toEqual(['1.2', '1.2']);
    const servers = [
      member,
      { ...silent, nodeId: 'b', leader: false, lastContactMs: 860.4, alive: false, healthy: false },
      { ...member, nodeId: 'c', leader: false, voter: false, lastContactMs: 1250 },
      {
        ...member,
        nodeId: '__proto__',
        leader: false,
        voter: false,
        type: 'non-voter' as const,
        lastContactMs: 62_300,
      },
    ];
    const state = {
      healthy: false,
      failureTolerance: 0,
      leader: 'a',
      voters: ['a', 'b'],
      nonVoters: ['c', '__proto__'],
      servers,
    };
    const data = (await outcome(world(state).call('read', PATH))) as Record<string, unknown>;
    const shown = new Map(Object.entries(data.servers as object));
    expect(data).toMatchObject({ healthy: false, failure_tolerance: 0, leader: 'a', voters: ['a', 'b'] });
    expect(data.non_voters).toEqual(['c', '__proto__']);
    expect(shown.get('a')).toEqual({
      address: 'a:8201',
      healthy: true,
      id: 'a',
      last_contact: '0s',
      last_index: 29,
      last_term: 3,
      name: 'a',
      node_status: 'alive',
      node_type: 'voter',
      stable_since: '2023-11-14T22:13:20.123Z',
      status: 'leader',
      upgrade_version: '1.2',
      version: '1.2',
    });
    expect(shown.get('b')).toMatchObject({ node_status: 'left', status: 'voter', last_contact: '860ms', version: '' });
    expect(shown.get('c')).toMatchObject({ status: 'non-voter', node_type: 'voter', last_contact: '1.25s' });
    expect(shown.get('__proto__')).toMatchObject({ node_type: 'non-voter', last_contact: '1m2s' });
  });

  it('shows zones and upgrades as Vault Enterprise does', async () => {
    const zoned = (nodeId: string, change: Partial<AutopilotServer>): AutopilotServer => ({
      ...member,
      nodeId,
      leader: false,
      ...change,
    });
    const lists = { targetVoters: ['c'], targetNonVoters: [], otherVoters: ['a'], otherNonVoters: ['b'] };
    const state: AutopilotState = {
      healthy: true,
      failureTolerance: 0,
      leader: 'a',
      voters: ['a', 'c'],
      nonVoters: ['b'],
      servers: [
        { ...member, zone: 'one', type: 'zone-voter' },
        zoned('b', { voter: false, zone: 'one', type: 'zone-standby', version: '1.2', upgradeVersion: '2' }),
        zoned('c', { zone: '__proto__', type: 'zone-extra-voter' }),
      ],
      redundancy: {
        zones: new Map([
          ['one', { servers: ['a', 'b'], voters: ['a'], failureTolerance: 1 }],
          ['__proto__', { servers: ['c'], voters: ['c'], failureTolerance: 0 }],
        ]),
        optimisticFailureTolerance: 1,
      },
      upgrade: {
        status: 'demoting',
        targetVersion: '2',
        ...lists,
        targetReadReplicas: ['d'],
        otherReadReplicas: [],
        zones: new Map([['one', { ...lists, targetVoters: [] }]]),
      },
    };
    const data = (await outcome(world(state).call('read', PATH))) as Record<string, unknown>;
    expect(data).toMatchObject({ optimistic_failure_tolerance: 1 });
    const zones = new Map(Object.entries(data.redundancy_zones as object));
    expect(zones.get('one')).toEqual({ servers: ['a', 'b'], voters: ['a'], failure_tolerance: 1 });
    expect(zones.get('__proto__')).toEqual({ servers: ['c'], voters: ['c'], failure_tolerance: 0 });
    expect(data.upgrade_info).toEqual({
      status: 'demoting',
      target_version: '2',
      target_version_voters: ['c'],
      target_version_read_replicas: ['d'],
      other_version_voters: ['a'],
      other_version_non_voters: ['b'],
      redundancy_zones: { one: { other_version_voters: ['a'], other_version_non_voters: ['b'] } },
    });
    const shown = new Map(Object.entries(data.servers as object));
    expect(shown.get('a')).toMatchObject({ redundancy_zone: 'one', node_type: 'zone-voter' });
    expect(shown.get('b')).toMatchObject({ node_type: 'zone-standby', version: '1.2', upgrade_version: '2' });
    expect(shown.get('c')).toMatchObject({ node_type: 'zone-extra-voter' });
  });

  it('leaves out non-voters, zones and upgrades where there are none, and is absent where this node does not lead', async () => {
    const state = { healthy: true, failureTolerance: 0, leader: 'a', voters: ['a'], nonVoters: [], servers: [member] };
    const shown = (await outcome(world(state).call('read', PATH))) as object;
    expect(Object.keys(shown)).toEqual(['failure_tolerance', 'healthy', 'leader', 'servers', 'voters']);
    expect(await outcome(world().call('read', PATH))).toBeUndefined();
  });
});
