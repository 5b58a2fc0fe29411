/** What clients see while nodes die and come back. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Cluster, call } from '../cluster.mjs';
import { eventually, pause } from '../program.mjs';

describe('a cluster of three', () => {
  let cluster;
  before(async () => {
    cluster = await Cluster.start({ nodes: 3 });
    const { status } = await cluster.request(cluster.nodes[0], 'POST', 'sys/mounts/kv', { body: { type: 'kv' } });
    assert.equal(status, 204);
  });
  after(() => cluster?.stop());

  it('shows on each node at once what was written through another', async () => {
    for (let round = 0; round < 30; round++) {
      const writer = cluster.nodes[round % 3];
      const reader = cluster.nodes[(round + 1) % 3];
      const written = await cluster.request(writer, 'PUT', 'kv/seen', { body: { round: String(round) } });
      assert.equal(written.status, 204);
      const read = await cluster.request(reader, 'GET', 'kv/seen');
      assert.equal(read.body.data.round, String(round));
    }
  });

  it('knows a new mount, policy and token on each node at once', async () => {
    const [first, second, third] = cluster.nodes;
    for (let round = 0; round < 10; round++) {
      const mounted = await cluster.request(first, 'POST', `sys/mounts/new-${round}`, { body: { type: 'kv' } });
      assert.equal(mounted.status, 204);
      const written = await cluster.request(second, 'PUT', `new-${round}/a`, { body: { b: 'c' } });
      assert.equal(written.status, 204);
      const read = await cluster.request(third, 'GET', `new-${round}/a`);
      assert.equal(read.status, 200);
      await cluster.request(third, 'PUT', `sys/policies/acl/new-${round}`, {
        body: { policy: `path "new-${round}/*" { capabilities = ["read"] }` },
      });
      const made = await cluster.request(second, 'POST', 'auth/token/create', { body: { policies: [`new-${round}`] } });
      const token = made.body.auth.client_token;
      assert.equal((await call(first.url, 'GET', `new-${round}/a`, { token })).status, 200);
      assert.equal((await cluster.request(third, 'POST', 'auth/token/revoke', { body: { token } })).status, 204);
      for (const node of cluster.nodes)
        assert.equal((await call(node.url, 'GET', `new-${round}/a`, { token })).status, 403);
    }
  });

  it('loses nothing that was acknowledged when leaders are killed, and takes them back', async () => {
    const acknowledged = [];
    let stop = false;
    const writers = [0, 1, 2, 3].map(async (writer) => {
      for (let count = 0; !stop; count++) {
        const node = cluster.nodes[(writer + count) % 3];
        const path = `kv/w-${writer}-${count}`;
        const answer = await cluster
          .request(node, 'PUT', path, { body: { path }, timeoutMs: 5_000 })
          .catch(() => undefined);
        if (answer?.status === 204) acknowledged.push(path);
        else await pause(5);
      }
    });
    try {
      for (let round = 0; round < 3; round++) {
        await pause(500);
        const active = await cluster.active();
        const before = acknowledged.length;
        await cluster.kill(active);
        await eventually('writes go on', () => Promise.resolve(acknowledged.length > before + 20));
        await cluster.restart(active);
        await cluster.ready();
      }
    } finally {
      stop = true;
      await Promise.all(writers);
    }
    assert.ok(acknowledged.length > 100, `${acknowledged.length} writes only`);
    for (const [index, path] of acknowledged.entries()) {
      const { status, body } = await cluster.request(cluster.nodes[index % 3], 'GET', path);
      assert.equal(status, 200, path);
      assert.equal(body.data.path, path);
    }
  });

  it('lets another node lead when the active one steps down', async () => {
    const active = await cluster.active();
    const { status } = await cluster.request(active, 'PUT', 'sys/step-down');
    assert.equal(status, 204);
    const written = await cluster.request(active, 'PUT', 'kv/after', { body: { a: 'b' } });
    assert.equal(written.status, 204);
    await cluster.ready();
  });

  it('seals one node without the others, and unseals it again', async () => {
    const [standby] = await cluster.standbys();
    assert.equal((await cluster.request(standby, 'PUT', 'sys/seal')).status, 204);
    assert.equal((await cluster.request(standby, 'GET', 'kv/after')).status, 503);
    const other = cluster.nodes.find((node) => node !== standby);
    assert.equal((await cluster.request(other, 'GET', 'kv/after')).status, 200);
    await cluster.unseal(standby);
    await cluster.ready();
    assert.equal((await cluster.request(standby, 'GET', 'kv/after')).status, 200);
  });

  it('answers 503 where most nodes are gone, and goes on when they are back', async () => {
    const active = await cluster.active();
    const [first, second] = await cluster.standbys();
    await cluster.kill(first);
    await cluster.kill(second);
    const refused = await cluster.request(active, 'PUT', 'kv/alone', { body: { a: 'b' }, timeoutMs: 60_000 });
    assert.ok(refused.status >= 500, `status ${refused.status}`);
    await cluster.restart(first);
    await cluster.restart(second);
    await cluster.ready();
    assert.equal((await cluster.request(second, 'PUT', 'kv/together', { body: { a: 'b' } })).status, 204);
  });
});
