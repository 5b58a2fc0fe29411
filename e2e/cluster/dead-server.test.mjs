/** A node that is gone for good is removed by autopilot, where it is told to. Takes over a minute: Vault's least threshold. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Cluster } from '../cluster.mjs';
import { eventually } from '../program.mjs';

describe('a cluster whose autopilot removes dead servers', () => {
  let cluster;
  before(async () => {
    cluster = await Cluster.start({ nodes: 3 });
    await cluster.add('node-4');
    await cluster.ready();
    const { status } = await cluster.request(cluster.nodes[0], 'POST', 'sys/storage/raft/autopilot/configuration', {
      body: { cleanup_dead_servers: true, dead_server_last_contact_threshold: '60s', min_quorum: 3 },
    });
    assert.equal(status, 204);
  });
  after(() => cluster?.stop());

  it('loses the dead one, and goes on', async () => {
    const active = await cluster.active();
    const members = async () => {
      const { body } = await cluster.request(active, 'GET', 'sys/storage/raft/configuration');
      return new Map(body.data.config.servers.map(({ node_id: id, voter }) => [id, voter]));
    };
    await eventually('four voters', async () => [...(await members()).values()].filter(Boolean).length === 4);
    const [dead] = await cluster.standbys();
    await cluster.kill(dead);
    await eventually('it counts as unhealthy', async () => {
      const { body } = await cluster.request(active, 'GET', 'sys/storage/raft/autopilot/state');
      return body.data.servers[dead.id].healthy === false && body.data.healthy === false;
    });
    assert.ok((await members()).has(dead.id));
    await eventually('it is removed', async () => !(await members()).has(dead.id), 120_000, 500);
    const { status } = await cluster.request(active, 'GET', 'auth/token/lookup-self');
    assert.equal(status, 200);
  });
});
