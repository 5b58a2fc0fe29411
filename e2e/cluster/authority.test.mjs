/** The certificate authority of the cluster port and the nodes' certificates are replaced, and nobody notices. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Cluster } from '../cluster.mjs';
import { eventually } from '../program.mjs';
import { ROTATION_SETTINGS, rotateUnderLoad } from '../rotation.mjs';

describe('the authority of the cluster port', () => {
  let cluster;
  before(async () => {
    cluster = await Cluster.start({ nodes: 3, settings: ROTATION_SETTINGS });
  });
  after(() => cluster?.stop());

  it('is replaced under load, waits for a node that is down, and lets nobody in with a former one', async () => {
    await rotateUnderLoad(cluster, { waits: true });
    await eventually('all three are healthy members', async () => {
      const { body } = await cluster.request(cluster.nodes[0], 'GET', 'sys/storage/raft/autopilot/state');
      assert.deepEqual([...body.data.voters].sort(), ['node-1', 'node-2', 'node-3']);
      return body.data.healthy;
    });
  });
});
