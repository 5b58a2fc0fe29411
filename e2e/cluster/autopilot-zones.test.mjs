/** Redundancy zones and upgrades: who votes follows from where nodes are and which version they have. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Cluster, ServerProcess } from '../cluster.mjs';
import { Load } from '../load.mjs';
import { eventually } from '../program.mjs';

const STATE = 'sys/storage/raft/autopilot/state';

const state = async (cluster, node) => {
  const { status, body } = await cluster.request(node, 'GET', STATE);
  assert.equal(status, 200, JSON.stringify(body));
  return body.data;
};

/** Waits until these vote, and no others. */
const votes = (cluster, node, ...ids) =>
  eventually(`${ids.join(', ')} vote`, async () => {
    const { voters } = await state(cluster, node);
    if ([...voters].sort().join() === ids.join()) return true;
    throw new Error(`voters: ${voters.join(', ')}`);
  });

const configure = async (cluster, body) => {
  const path = 'sys/storage/raft/autopilot/configuration';
  const { status } = await cluster.request(cluster.nodes[0], 'POST', path, { body });
  assert.equal(status, 204);
};

const zone = (name) => `  autopilot_redundancy_zone = "${name}"\n`;
const version = (text) => `  autopilot_upgrade_version = "${text}"\n`;

describe('redundancy zones', () => {
  let cluster;
  before(async () => {
    cluster = await Cluster.start({ nodes: 3, storageLines: ({ id }) => zone({ 'node-1': 'a', 'node-2': 'b', 'node-3': 'c' }[id]) }); // prettier-ignore
    await cluster.mountKv();
    await configure(cluster, { last_contact_threshold: '2s', server_stabilization_time: '1s' });
    await cluster.add('node-4', { storageLines: zone('a') });
    await cluster.ready();
  });
  after(() => cluster?.stop());

  it('have a standby that does not vote', async () => {
    await votes(cluster, cluster.nodes[3], 'node-1', 'node-2', 'node-3');
    const shown = await eventually('all are known', async () => {
      const found = await state(cluster, cluster.nodes[3]);
      return found.healthy && Object.keys(found.redundancy_zones).length === 3 && found;
    });
    assert.deepEqual(shown.non_voters, ['node-4']);
    assert.deepEqual([shown.failure_tolerance, shown.optimistic_failure_tolerance], [1, 2]);
    assert.deepEqual(shown.redundancy_zones.a, {
      servers: ['node-1', 'node-4'],
      voters: ['node-1'],
      failure_tolerance: 1,
    });
    assert.deepEqual(
      Object.values(shown.servers).map((server) => [server.node_type, server.redundancy_zone]),
      [
        ['zone-voter', 'a'],
        ['zone-voter', 'b'],
        ['zone-voter', 'c'],
        ['zone-standby', 'a'],
      ],
    );
    const { stdout } = await cluster.cli(cluster.nodes[1], ['operator', 'raft', 'autopilot', 'state']);
    assert.match(stdout, /Redundancy Zones:\n {3}a\n {6}Servers: node-1, node-4\n {6}Voters: node-1\n/);
    assert.match(stdout, /Node Type: +zone-standby/);
    const { body } = await cluster.request(cluster.nodes[0], 'GET', 'sys/ha-status');
    assert.deepEqual(body.data.nodes.map(({ redundancy_zone: name }) => name).sort(), ['a', 'a', 'b', 'c']);
  });

  it('go on with the standby when their voter is killed, which comes back as the standby', async () => {
    const [first, second, , fourth] = cluster.nodes;
    await cluster.kill(first);
    await votes(cluster, second, 'node-2', 'node-3', 'node-4');
    assert.equal((await cluster.request(fourth, 'PUT', 'kv/after', { body: { a: 'b' } })).status, 204);
    await cluster.restart(first);
    await cluster.ready();
    await eventually('it is well', async () => (await state(cluster, second)).healthy);
    await votes(cluster, second, 'node-2', 'node-3', 'node-4');
    assert.equal((await state(cluster, second)).servers['node-1'].node_type, 'zone-standby');
  });

  it('are stood in for by another zone when all of one is lost, and vote again', async () => {
    const [first, second, third] = cluster.nodes;
    await cluster.kill(second);
    await votes(cluster, third, 'node-1', 'node-3', 'node-4');
    const shown = await state(cluster, third);
    assert.deepEqual(['node-1', 'node-4'].map((id) => shown.servers[id].node_type).sort(), [
      'zone-extra-voter',
      'zone-voter',
    ]);
    await cluster.restart(second);
    await eventually('three vote, one of each zone', async () => {
      const { voters, redundancy_zones: zones } = await state(cluster, first);
      return voters.length === 3 && Object.values(zones).every((each) => each.voters.length === 1);
    });
  });
});

describe('an upgrade by new nodes', () => {
  let cluster;
  before(async () => {
    cluster = await Cluster.start({ nodes: 3, storageLines: () => version('1.0.0') });
    await cluster.mountKv();
    await configure(cluster, { server_stabilization_time: '2s' });
  });
  after(() => cluster?.stop());

  it('moves lead and votes without a failed request', { timeout: 120_000 }, async () => {
    for (const id of ['node-4', 'node-5']) await cluster.add(id, { storageLines: version('1.1.0') });
    await cluster.ready();
    const waiting = await eventually('it waits for one more', async () => {
      const { upgrade_info: upgrade } = await state(cluster, cluster.nodes[4]);
      return upgrade?.status === 'await-new-voters' && upgrade.target_version_non_voters?.length === 2 && upgrade;
    });
    assert.equal(waiting.target_version, '1.1.0');
    assert.deepEqual(waiting.other_version_voters, ['node-1', 'node-2', 'node-3']);
    await votes(cluster, cluster.nodes[4], 'node-1', 'node-2', 'node-3');
    const load = new Load(cluster, { name: 'upgrade', restMs: 20 });
    try {
      await load.goesOn();
      await cluster.add('node-6', { storageLines: version('1.1.0') });
      await eventually(
        'the old nodes can be taken away',
        async () => (await state(cluster, cluster.nodes[0])).upgrade_info.status === 'await-server-removal',
        60_000,
      );
      await load.goesOn();
    } finally {
      await load.stop();
    }
    load.assertNothingFailed();
    await votes(cluster, cluster.nodes[0], 'node-4', 'node-5', 'node-6');
    assert.ok(['node-4', 'node-5', 'node-6'].includes((await cluster.active()).id));
    const { stdout } = await cluster.cli(cluster.nodes[5], ['operator', 'raft', 'autopilot', 'state']);
    assert.match(stdout, /Upgrade Info:\n {3}Status: await-server-removal\n {3}Target Version: 1\.1\.0\n/);
    for (const id of ['node-1', 'node-2', 'node-3']) {
      const removed = await cluster.request(cluster.nodes[5], 'POST', 'sys/storage/raft/remove-peer', { body: { server_id: id } }); // prettier-ignore
      assert.equal(removed.status, 204);
    }
    const { upgrade_info: upgrade } = await state(cluster, cluster.nodes[5]);
    assert.deepEqual(
      [upgrade.status, upgrade.target_version_voters, upgrade.other_version_voters],
      ['idle', ['node-4', 'node-5', 'node-6'], undefined],
    );
  });

  it('can be switched off by the command line', async () => {
    const node = cluster.nodes[5];
    const set = await cluster.cli(node, ['operator', 'raft', 'autopilot', 'set-config', '-disable-upgrade-migration=true']); // prettier-ignore
    assert.equal(set.code, 0, set.stderr);
    const { stdout } = await cluster.cli(node, ['operator', 'raft', 'autopilot', 'get-config']);
    assert.match(stdout, /Disable Upgrade Migration +true/);
    assert.equal((await state(cluster, node)).upgrade_info.status, 'disabled');
  });

  it('by what is no version is refused at the start, with the place in the file', async () => {
    const node = cluster.nodes[0];
    node.storageLines = '  autopilot_upgrade_version = "blue"\n';
    cluster.configure(node);
    const server = new ServerProcess([...cluster.command, `-config=${node.configFile}`], `${node.configFile}.log`);
    await eventually('it ends', () => Promise.resolve(!server.alive));
    assert.match(server.log, /node-1\.hcl:\d+:\d+: autopilot_upgrade_version: expected a semantic version/);
  });
});
