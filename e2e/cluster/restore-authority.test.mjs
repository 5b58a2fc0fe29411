/** A snapshot that is older than the authority of the cluster port: the nodes go on trusting each other all the same. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { authorityOf } from '../cluster-port.mjs';
import { Cluster } from '../cluster.mjs';
import { eventually } from '../program.mjs';
import { ROTATION_SETTINGS } from '../rotation.mjs';

const PATH = 'sys/storage/raft/snapshot';

describe('a snapshot from before the authority of the cluster port was replaced', () => {
  let cluster;
  let archive;
  before(async () => {
    cluster = await Cluster.start({ nodes: 3, settings: ROTATION_SETTINGS });
    const [node] = cluster.nodes;
    await cluster.mountKv();
    assert.equal((await cluster.request(node, 'PUT', 'kv/a', { body: { value: 'saved' } })).status, 204);
    const answer = await fetch(`${node.url}/v1/${PATH}`, { headers: { 'X-Vault-Token': cluster.token } });
    assert.equal(answer.status, 200);
    archive = Buffer.from(await answer.arrayBuffer());
  });
  after(() => cluster?.stop());

  const restore = async (node) => {
    const headers = { 'X-Vault-Token': cluster.token };
    const answer = await fetch(`${node.url}/v1/${PATH}`, { method: 'POST', headers, body: archive });
    return answer.status;
  };
  /** Fingerprints of authorities that signed certificates, as a node's log has them. */
  const signers = (text) => [...text.matchAll(/the authority of the cluster port changed.* signedBy=(\S+)/g)];

  it('brings no former authority back, not even for a moment, and no node is locked out', async () => {
    for (let round = 0; round < 3; round++) {
      const active = await cluster.active();
      const known = await authorityOf(cluster, active);
      await eventually(
        'a successor is alone',
        async () => {
          const { certificates } = await authorityOf(cluster, active);
          return certificates.length === 1 && certificates[0] !== known.certificates[0];
        },
        60_000,
        100,
      );
      // The end of a succession is logged by each node with the authority that is left.
      const former = await eventually('all nodes have it', async () => {
        const ends = cluster.nodes.map(({ process }) => signers(process.log).map(([, signer]) => signer));
        const newest = ends.map((signed) => signed.at(-1));
        return newest.every((signer) => signer === newest[0]) && new Set(ends[0].filter((each) => each !== newest[0]));
      });
      const seen = new Map(cluster.nodes.map((node) => [node, node.process.log.length]));
      assert.equal(await restore((await cluster.standbys())[0]), 204);
      for (const node of cluster.nodes) await cluster.kill(node);
      for (const node of cluster.nodes) {
        const back = signers(node.process.log.slice(seen.get(node))).filter(([, signer]) => former.has(signer));
        assert.deepEqual(back, [], `${node.id} trusted a former authority again`);
      }
      for (const node of cluster.nodes) await cluster.launch(node);
      await Promise.all(cluster.nodes.map((node) => cluster.unseal(node)));
      await cluster.ready();
      for (const node of cluster.nodes)
        assert.equal((await cluster.request(node, 'GET', 'kv/a')).body.data.value, 'saved');
    }
  });
});
