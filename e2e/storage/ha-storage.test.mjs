/** Data in one database, the election in another. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { runEtcd, runPostgresql } from '../../libs/testing/dist/databases/index.js';
import { Cluster, call } from '../cluster.mjs';
import { eventually } from '../program.mjs';

describe('nodes that keep data in PostgreSQL and are elected by etcd', () => {
  let postgresql;
  let etcd;
  let cluster;
  before(async () => {
    postgresql = await runPostgresql();
    etcd = await runEtcd();
    const storage = () => `storage "postgresql" {
  connection_url = "${postgresql.url}"
}
ha_storage "etcd" {
  address = "${etcd.url}"
}
`;
    cluster = await Cluster.start({ nodes: 2, storage });
    await cluster.request(cluster.nodes[0], 'POST', 'sys/mounts/kv', { body: { type: 'kv' } });
  });
  after(async () => {
    await cluster?.stop();
    await postgresql?.program.remove();
    await etcd?.program.remove();
  });

  const write = (node, path, body) => cluster.request(node, 'PUT', path, { body });

  it('serve as one', async () => {
    const [first, second] = cluster.nodes;
    assert.equal((await write(second, 'kv/a', { b: 'c' })).status, 204);
    assert.equal((await cluster.request(first, 'GET', 'kv/a')).body.data.b, 'c');
    const { body } = await call(second.url, 'GET', 'sys/leader');
    assert.equal(body.ha_enabled, true);
    assert.equal(body.leader_address, (await cluster.active()).url);
    const status = await call(first.url, 'GET', 'sys/seal-status');
    assert.equal(status.body.storage_type, 'postgresql');
  });

  it('go on when the active one is paused, which can write nothing afterwards', async () => {
    const former = await cluster.active();
    const other = cluster.nodes.find((node) => node !== former);
    former.process.signal('SIGSTOP');
    const late = write(former, 'kv/late', { by: 'former' }).catch(() => undefined);
    await eventually(
      'the other node leads',
      async () => (await call(other.url, 'GET', 'sys/health', { timeoutMs: 1_000 })).status === 200,
      15_000,
    );
    await eventually('writes go on', async () => (await write(other, 'kv/a', { b: 'd' })).status === 204).finally(() =>
      former.process.signal('SIGCONT'),
    );
    await late;
    await cluster.ready();
    for (const node of cluster.nodes) assert.equal((await cluster.request(node, 'GET', 'kv/a')).body.data.b, 'd');
  });

  it('keep no value in the clear', () => {
    const rowsWith = (text) =>
      `(SELECT count(*) FROM coffer_kv_store WHERE position(convert_to('${text}', 'UTF8') IN value) > 0)`;
    // The seal's settings are meant to be read by anybody: so it would be found.
    postgresql.run(`DO $$ BEGIN ASSERT ${rowsWith('threshold')} = 1; END $$`);
    for (const text of ['former', cluster.token, 'caKey'])
      postgresql.run(`DO $$ BEGIN ASSERT ${rowsWith(text)} = 0; END $$`);
  });

  it('lose the election with etcd, not the data: reads and writes go on when it is back', async () => {
    await etcd.program.end('SIGTERM');
    await eventually(
      'nobody claims to lead',
      async () => {
        const states = await Promise.all(cluster.nodes.map((node) => call(node.url, 'GET', 'sys/health')));
        return states.every(({ status }) => status !== 200);
      },
      15_000,
    );
    const stillThere = await cluster.request(cluster.nodes[0], 'GET', 'kv/a');
    assert.equal(stillThere.body.data.b, 'd');
    await etcd.program.start();
    await cluster.ready();
    assert.equal((await write(cluster.nodes[0], 'kv/a', { b: 'e' })).status, 204);
  });
});
