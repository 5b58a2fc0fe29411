/** Who belongs to a cluster: votes given and taken, nodes that leave, come again, move, and are lost. */
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { mkdirSync, rmSync, writeFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Cluster, ServerProcess, call } from '../cluster.mjs';
import { eventually } from '../program.mjs';

const voters = async (cluster, node) => {
  const { status, body } = await cluster.request(node, 'GET', 'sys/storage/raft/configuration');
  assert.equal(status, 200, JSON.stringify(body));
  return new Map(body.data.config.servers.map((server) => [server.node_id, server.voter]));
};

/** Waits until the list of members has all nodes where they are now; returns the list. */
const atNewAddresses = (cluster) =>
  eventually('the new addresses are known', async () => {
    const { body } = await cluster.request(cluster.nodes[0], 'GET', 'sys/storage/raft/configuration');
    const { servers } = body.data.config;
    const known = servers.map(({ address }) => address);
    return cluster.nodes.every(({ clusterPort }) => known.includes(`127.0.0.1:${clusterPort}`)) && servers;
  });

const written = async (cluster, node, path) => {
  const { status } = await cluster.request(node, 'PUT', `kv/${path}`, { body: { path } });
  return status === 204;
};

const refusesToStart = async (cluster, node, why) => {
  const server = new ServerProcess(
    [...cluster.command, `-config=${node.configFile}`],
    join(cluster.folder, 'refused.log'),
  );
  await eventually(`${node.id} ends`, () => Promise.resolve(!server.alive));
  assert.match(server.log, why);
};

const read = async (cluster, node, path) =>
  (await cluster.request(node, 'GET', `kv/${path}`)).body?.data?.path === path;

describe('members of a cluster', () => {
  let cluster;
  let fourth;
  before(async () => {
    cluster = await Cluster.start({ nodes: 3 });
    await cluster.mountKv();
    await eventually('three voters', async () =>
      [...(await voters(cluster, cluster.nodes[0])).values()].every(Boolean),
    );
  });
  after(() => cluster?.stop());

  it('tell autopilot how they are', async () => {
    const state = await eventually('all are healthy', async () => {
      const { body } = await cluster.request(cluster.nodes[1], 'GET', 'sys/storage/raft/autopilot/state');
      return body.data.healthy && Object.values(body.data.servers).every(({ version }) => version !== '') && body.data;
    });
    assert.equal(state.failure_tolerance, 1);
    assert.deepEqual([...state.voters].sort(), ['node-1', 'node-2', 'node-3']);
    const active = await cluster.active();
    assert.equal(state.leader, active.id);
    assert.equal(state.servers[active.id].status, 'leader');
    for (const server of Object.values(state.servers)) assert.equal(server.node_status, 'alive');
    const { body } = await cluster.request(active, 'GET', 'sys/ha-status');
    for (const node of body.data.nodes.filter(({ active_node: isActive }) => !isActive)) {
      assert.ok(Date.now() - Date.parse(node.last_echo) < 60_000, `last echo at ${node.last_echo}`);
      assert.ok(
        cluster.nodes.some(({ url }) => url === node.api_address),
        node.api_address,
      );
    }
  });

  it('keep the settings of autopilot on every node, and refuse unsafe ones', async () => {
    const path = 'sys/storage/raft/autopilot/configuration';
    const [first, second] = cluster.nodes;
    const { body } = await cluster.request(first, 'GET', path);
    assert.equal(body.data.server_stabilization_time, '10s');
    assert.equal(body.data.dead_server_last_contact_threshold, '24h0m0s');
    for (const refused of [
      { cleanup_dead_servers: true },
      { cleanup_dead_servers: true, min_quorum: 2 },
      { cleanup_dead_servers: true, min_quorum: 3, dead_server_last_contact_threshold: '30s' },
      { max_trailing_logs: -1 },
      { last_contact_threshold: 'soon' },
    ]) {
      assert.equal(
        (await cluster.request(second, 'POST', path, { body: refused })).status,
        400,
        JSON.stringify(refused),
      );
    }
    const set = await cluster.request(second, 'POST', path, {
      body: { server_stabilization_time: '1s', max_trailing_logs: 500 },
    });
    assert.equal(set.status, 204);
    const now = await cluster.request(first, 'GET', path);
    assert.equal(now.body.data.server_stabilization_time, '1s');
    assert.equal(now.body.data.max_trailing_logs, 500);
    assert.equal(now.body.data.cleanup_dead_servers, false);
  });

  it('join without a vote, get one, and lose it', async () => {
    fourth = await cluster.add('node-4', { storageLines: '  retry_join_as_non_voter = true\n' });
    await cluster.ready();
    assert.equal((await voters(cluster, fourth)).get('node-4'), false);
    assert.ok(await written(cluster, fourth, 'through-a-non-voter'));
    const promote = (id) =>
      cluster.request(cluster.nodes[1], 'POST', 'sys/storage/raft/promote', { body: { server_id: id } });
    const demote = (id) =>
      cluster.request(cluster.nodes[2], 'POST', 'sys/storage/raft/demote', { body: { server_id: id } });
    assert.equal((await demote('node-4')).status, 400);
    assert.equal((await promote('nobody')).status, 400);
    assert.equal((await promote('node-1')).status, 400);
    assert.equal((await promote('node-4')).status, 204);
    await eventually('node-4 votes', async () => (await voters(cluster, fourth)).get('node-4'));
    assert.equal((await demote('node-4')).status, 204);
    assert.equal((await voters(cluster, fourth)).get('node-4'), false);
    // The active one hands over and is then changed by its successor.
    const active = await cluster.active();
    assert.equal((await demote(active.id)).status, 204);
    const successor = await cluster.active();
    assert.notEqual(successor.id, active.id);
    assert.equal((await voters(cluster, successor)).get(active.id), false);
    assert.equal((await promote(active.id)).status, 204);
    await eventually('it votes again', async () => (await voters(cluster, successor)).get(active.id));
  });

  it('are told when they were removed, say so, and leave the others alone', async () => {
    const active = await cluster.active();
    const { body: before } = await cluster.request(active, 'GET', 'sys/ha-status');
    const removed = await cluster.request(active, 'POST', 'sys/storage/raft/remove-peer', {
      body: { server_id: 'node-4' },
    });
    assert.equal(removed.status, 204);
    assert.equal(before.data.nodes.length, 4);
    await eventually('node-4 knows', async () => (await call(fourth.url, 'GET', 'sys/health')).status === 530);
    const health = await call(fourth.url, 'GET', 'sys/health?removedcode=299');
    assert.equal(health.status, 299);
    assert.equal(health.body.removed_from_cluster, true);
    assert.equal(health.body.sealed, true);
    assert.match(fourth.process.log, /removed from the cluster/);
    // It knows after a restart, too, and cannot be unsealed.
    await fourth.process.end();
    await cluster.launch(fourth);
    assert.equal((await call(fourth.url, 'GET', 'sys/health')).status, 530);
    const refused = await call(fourth.url, 'PUT', 'sys/unseal', { body: { key: cluster.keys[0] } });
    assert.equal(refused.status, 400);
    assert.match(refused.body.errors.join(), /removed from its cluster/);
    const after = await cluster.active();
    assert.equal(after.id, active.id);
    assert.ok(await written(cluster, after, 'undisturbed'));
  });

  it('learn of their removal when they come back, after a restart of all others', async () => {
    const others = cluster.nodes.filter((node) => node !== fourth);
    const active = await cluster.active();
    const gone = others.find((node) => node !== active);
    await cluster.kill(gone);
    const { status } = await cluster.request(active, 'POST', 'sys/storage/raft/remove-peer', {
      body: { server_id: gone.id },
    });
    assert.equal(status, 204);
    const left = others.filter((node) => node !== gone);
    for (const node of left) await node.process.end();
    for (const node of left) await cluster.restart(node);
    await cluster.ready(left);
    await cluster.launch(gone);
    await call(gone.url, 'PUT', 'sys/unseal', { body: { key: cluster.keys[0] } });
    await eventually('it knows', async () => (await call(gone.url, 'GET', 'sys/health')).status === 530);
    assert.ok(await written(cluster, left[0], 'still-undisturbed'));
  });

  it('come back under their names with empty disks', async () => {
    const again = cluster.nodes.filter((node) => existsSync(node.folder) && /node-[1-4]/.test(node.id));
    for (const node of again) {
      if ((await call(node.url, 'GET', 'sys/health')).status !== 530) continue;
      await node.process.end();
      rmSync(node.folder, { recursive: true });
      mkdirSync(node.folder);
      await cluster.restart(node);
    }
    await cluster.ready();
    const active = await cluster.active();
    assert.equal((await voters(cluster, active)).size, 4);
    // One that was not removed before, but lost its disk.
    const [wiped] = await cluster.standbys();
    await cluster.kill(wiped);
    rmSync(wiped.folder, { recursive: true });
    mkdirSync(wiped.folder);
    await cluster.restart(wiped);
    await cluster.ready();
    assert.ok(await read(cluster, wiped, 'undisturbed'));
    assert.equal((await voters(cluster, active)).size, 4);
  });

  it('join by hand, where an operator says so', async () => {
    const alone = await Cluster.start({
      nodes: 1,
      initialise: false,
      storage: ({ folder }) => `storage "raft" {\n  path = "${folder}"\n  node_id = "by-hand"\n}\n`,
    });
    try {
      const [node] = alone.nodes;
      const join = (...flags) => cluster.cli(node, ['operator', 'raft', 'join', ...flags]);
      assert.match((await join('provider=gce zone_pattern=x')).stderr, /the provider "gce" is not available/);
      assert.match((await join('http://127.0.0.1:1')).stderr, /cannot reach the node/);
      const joined = await join('-non-voter', cluster.nodes[0].url);
      assert.match(joined.stdout, /Joined +true/);
      const { body } = await call(node.url, 'PUT', 'sys/unseal', { body: { key: cluster.keys[0] } });
      assert.equal(body.sealed, false, JSON.stringify(body));
      assert.ok(await read(cluster, node, 'undisturbed'));
      assert.equal((await voters(cluster, node)).get('by-hand'), false);
      const removed = await cluster.cli(cluster.nodes[0], ['operator', 'raft', 'remove-peer', 'by-hand']);
      assert.match(removed.stdout, /Peer removed successfully!/);
      await eventually('it knows', async () => (await call(node.url, 'GET', 'sys/health')).status === 530);
    } finally {
      await alone.stop();
    }
  });

  it('ask nobody whom a caller without a token names, once they have a leader', async () => {
    let asked = 0;
    const bait = createServer((socket) => {
      asked += 1;
      socket.destroy();
    });
    await new Promise((resolve) => bait.listen(0, '127.0.0.1', resolve));
    try {
      const [{ url }, other] = cluster.nodes;
      const join = (address) => call(url, 'PUT', 'sys/storage/raft/join', { body: { leader_api_addr: address } });
      const named = await join(`http://127.0.0.1:${bait.address().port}`);
      assert.equal(named.status, 400);
      assert.match(named.body.errors.join(), /knows its leader: only addresses of its members are taken/);
      assert.equal(asked, 0);
      const again = await join(other.url);
      assert.equal(again.status, 200);
      assert.equal(again.body.data?.joined ?? again.body.joined, true);
    } finally {
      bait.close();
    }
  });

  it('are not let in with other unseal keys, nor with the name of a living member', async () => {
    const stranger = await Cluster.start({ nodes: 1 });
    try {
      const [{ url }] = stranger.nodes;
      const joined = await call(url, 'PUT', 'sys/storage/raft/join', {
        body: { leader_api_addr: cluster.nodes[0].url },
      });
      assert.equal(joined.status, 400);
      assert.match(joined.body.errors.join(), /belongs to a cluster already/);
      // A new node is given the shares of the wrong cluster.
      const wrong = await Cluster.start({ nodes: 1, initialise: false });
      try {
        const [node] = wrong.nodes;
        const found = await call(node.url, 'PUT', 'sys/storage/raft/join', {
          body: { leader_api_addr: cluster.nodes[0].url },
        });
        assert.deepEqual(found.body, { joined: true });
        const unsealed = await call(node.url, 'PUT', 'sys/unseal', { body: { key: stranger.keys[0] } });
        assert.ok(unsealed.status >= 400 && unsealed.status < 500, `status ${unsealed.status}`);
        assert.equal((await call(node.url, 'GET', 'sys/seal-status')).body.sealed, true);
        const namesake = await call(node.url, 'PUT', 'sys/unseal', { body: { key: cluster.keys[0] } });
        assert.equal(namesake.status, 400, JSON.stringify(namesake.body));
        assert.match(namesake.body.errors.join(), /a living member is named node-1/);
      } finally {
        await wrong.stop();
      }
    } finally {
      await stranger.stop();
    }
    assert.ok(await written(cluster, cluster.nodes[0], 'no-stranger'));
    assert.equal((await voters(cluster, cluster.nodes[0])).size, 4);
  });

  it('refuse a configuration that contradicts the disk, which stays as it is', async () => {
    const [standby] = await cluster.standbys();
    await standby.process.end();
    const { id } = standby;
    standby.id = 'node-9';
    cluster.configure(standby);
    await refusesToStart(cluster, standby, new RegExp(`belongs to node ${id}, this is node-9`));
    standby.id = id;
    cluster.configure(standby);
    await cluster.restart(standby);
    await cluster.ready();
  });
});

describe('a cluster whose nodes all get new addresses at once', () => {
  let cluster;
  before(async () => {
    cluster = await Cluster.start({ nodes: 3 });
    await cluster.mountKv();
    assert.ok(await written(cluster, cluster.nodes[0], 'before'));
  });
  after(() => cluster?.stop());

  it('is found again through the nodes of retry_join', async () => {
    await Promise.all(cluster.nodes.map((node) => node.process.end('SIGKILL')));
    for (const node of cluster.nodes) await cluster.move(node);
    for (const node of cluster.nodes) cluster.configure(node);
    for (const node of cluster.nodes) await cluster.launch(node);
    // Each answers at once, though there is no leader yet.
    for (const node of cluster.nodes) {
      const { body } = await call(node.url, 'PUT', 'sys/unseal', { body: { key: cluster.keys[0] }, timeoutMs: 5000 });
      assert.equal(body.sealed, false);
    }
    await cluster.ready();
    for (const node of cluster.nodes) assert.ok(await read(cluster, node, 'before'));
    await atNewAddresses(cluster);
  });
});

describe('a cluster without retry_join whose nodes all get new addresses at once', () => {
  let cluster;
  before(async () => {
    cluster = await Cluster.start({ nodes: 3 });
    await cluster.mountKv();
    assert.ok(await written(cluster, cluster.nodes[0], 'before'));
  });
  after(() => cluster?.stop());

  it('is found again by "operator raft join" with the address of one of them', async () => {
    const [first, second, third] = cluster.nodes;
    const join = async (node, address) => {
      const { code, stdout, stderr } = await cluster.cli(node, ['operator', 'raft', 'join', address]);
      return { code, text: stdout + stderr };
    };
    await Promise.all(cluster.nodes.map((node) => node.process.end('SIGKILL')));
    for (const node of cluster.nodes) await cluster.move(node);
    for (const node of cluster.nodes) {
      cluster.configure(node, `storage "raft" {\n  path = "${node.folder}"\n  node_id = "${node.id}"\n}\n`);
      await cluster.launch(node);
    }
    // Sealed or not: one is told before it is unsealed.
    assert.match((await join(third, first.url)).text, /Joined +true/);
    for (const node of cluster.nodes)
      await call(node.url, 'PUT', 'sys/unseal', { body: { key: cluster.keys[0] }, timeoutMs: 5000 });
    assert.match((await join(second, second.url)).text, /that is this node itself/);
    assert.match((await join(second, 'http://127.0.0.1:1')).text, /cannot reach the node/);
    assert.match((await join(second, first.url)).text, /Joined +true/);
    await cluster.ready();
    for (const node of cluster.nodes) assert.ok(await read(cluster, node, 'before'));
    const servers = await atNewAddresses(cluster);
    assert.deepEqual(servers.map(({ node_id: id }) => id).sort(), ['node-1', 'node-2', 'node-3']);
    // Once more changes nothing.
    assert.match((await join(second, first.url)).text, /Joined +true/);
    assert.equal((await voters(cluster, first)).size, 3);
  });
});

describe('a cluster that lost most of its nodes', () => {
  let cluster;
  before(async () => {
    cluster = await Cluster.start({ nodes: 3 });
    await cluster.mountKv();
    assert.ok(await written(cluster, cluster.nodes[0], 'before'));
  });
  after(() => cluster?.stop());

  it('goes on with the one of raft/peers.json, and lets the others join anew', async () => {
    const [survivor, ...lost] = cluster.nodes;
    // What was acknowledged is on the survivor: it reads it itself.
    assert.ok(await read(cluster, survivor, 'before'));
    for (const node of cluster.nodes) await cluster.kill(node);
    mkdirSync(join(survivor.folder, 'raft'), { recursive: true });
    const peers = join(survivor.folder, 'raft', 'peers.json');
    writeFileSync(peers, JSON.stringify([{ id: 'somebody', address: '127.0.0.1:1' }]));
    await refusesToStart(cluster, survivor, /peers\.json.*expected an entry with the id of this node/);
    assert.ok(existsSync(peers));
    writeFileSync(
      peers,
      JSON.stringify([{ id: survivor.id, address: `127.0.0.1:${survivor.clusterPort}`, non_voter: false }]),
    );
    await cluster.restart(survivor);
    assert.ok(!existsSync(peers));
    await cluster.ready([survivor]);
    assert.ok(await read(cluster, survivor, 'before'));
    assert.ok(await written(cluster, survivor, 'after'));
    assert.deepEqual([...(await voters(cluster, survivor)).keys()], [survivor.id]);
    // A lost node that comes back finds that it is no member; with an empty disk it joins.
    for (const node of lost) {
      await cluster.launch(node);
      await call(node.url, 'PUT', 'sys/unseal', { body: { key: cluster.keys[0] } });
      await eventually(`${node.id} knows`, async () => (await call(node.url, 'GET', 'sys/health')).status === 530);
      await node.process.end();
      rmSync(node.folder, { recursive: true });
      mkdirSync(node.folder);
      await cluster.restart(node);
    }
    await cluster.ready();
    for (const node of cluster.nodes) assert.ok(await read(cluster, node, 'after'));
  });
});
