/** Nodes on PostgreSQL behind PgBouncer, which lends them connections for a transaction each. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { runPgbouncer, runPostgresql } from '../../libs/testing/dist/databases/index.js';
import { Cluster } from '../cluster.mjs';
import { eventually } from '../program.mjs';

describe('three nodes behind PgBouncer', () => {
  let postgresql;
  let pooler;
  let cluster;
  before(async () => {
    postgresql = await runPostgresql();
    pooler = await runPgbouncer(postgresql);
    cluster = await Cluster.start({
      nodes: 3,
      storage: () => `storage "postgresql" {\n  connection_url = "${pooler.url}"\n  ha_enabled     = true\n}\n`,
    });
    await cluster.mountKv();
  });
  after(async () => {
    await cluster?.stop();
    await pooler?.program.remove();
    await postgresql?.program.remove();
  });

  const write = (node, path, body) => cluster.request(node, 'PUT', path, { body });
  const read = (node, path) => cluster.request(node, 'GET', path);

  it('say that they noticed it', () => {
    for (const { process } of cluster.nodes) assert.match(process.log, /a pooler stands before the database/);
  });

  it('show on each at once what many clients write through all', async () => {
    await Promise.all(
      Array.from({ length: 12 }, async (_, client) => {
        for (let round = 0; round < 15; round++) {
          const path = `kv/of-${client}`;
          const value = String(round);
          assert.equal((await write(cluster.nodes[(client + round) % 3], path, { value })).status, 204);
          const seen = await Promise.all(cluster.nodes.map((node) => read(node, path)));
          assert.deepEqual(
            seen.map(({ body }) => body.data.value),
            [value, value, value],
          );
        }
      }),
    );
    const listed = await cluster.request(cluster.nodes[0], 'LIST', 'kv');
    assert.equal(listed.body.data.keys.length, 12);
  });

  it('share the few connections that it keeps to the server', () => {
    postgresql.run(`DO $$ BEGIN
      ASSERT (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()) <= 4;
    END $$`);
  });

  it('hand over, and go on when the active one is killed', async () => {
    const before = await cluster.active();
    assert.equal((await cluster.request(before, 'PUT', 'sys/step-down')).status, 204);
    await eventually('another node is active', async () => (await cluster.active()) !== before, 5_000);
    const active = await cluster.active();
    await cluster.kill(active);
    const [other] = cluster.nodes.filter((node) => node !== active);
    await eventually('writes go on', async () => (await write(other, 'kv/a', { b: 'c' })).status === 204, 15_000);
    await cluster.restart(active);
    await cluster.ready();
    for (const node of cluster.nodes) assert.equal((await read(node, 'kv/a')).body.data.b, 'c');
  });

  it('go on by themselves when it was restarted', async () => {
    await pooler.program.end('SIGKILL');
    await pooler.program.start();
    await eventually('writes go on', async () => (await write(cluster.nodes[0], 'kv/a', { b: 'd' })).status === 204);
    await cluster.ready();
    for (const node of cluster.nodes) assert.equal((await read(node, 'kv/a')).body.data.b, 'd');
  });
});
