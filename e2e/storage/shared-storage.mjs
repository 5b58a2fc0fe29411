/** What holds for three nodes on any database that they share. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Cluster, call } from '../cluster.mjs';
import { eventually, pause } from '../program.mjs';

/**
 * @param {string} name
 * @param {() => Promise<{server: {program: import('../../libs/testing/dist/databases/index.js').ServerProgram}, storage: (node) => string}>} start
 *   starts the database, and says how nodes are told of it
 */
export function describeSharedStorage(name, start) {
  describe(`three nodes on ${name}`, () => {
    let database;
    let cluster;
    before(async () => {
      database = await start();
      cluster = await Cluster.start({ nodes: 3, storage: database.storage });
      const mounted = await cluster.request(cluster.nodes[0], 'POST', 'sys/mounts/kv', { body: { type: 'kv' } });
      assert.equal(mounted.status, 204);
    });
    after(async () => {
      await cluster?.stop();
      await database?.server.program.remove();
    });

    const write = (node, path, body, options) => cluster.request(node, 'PUT', path, { body, ...options });
    const read = (node, path) => cluster.request(node, 'GET', path);

    it('shows on each node at once what was written through another', async () => {
      for (let round = 0; round < 30; round++) {
        const value = String(round);
        assert.equal((await write(cluster.nodes[round % 3], 'kv/seen', { value })).status, 204);
        const seen = await Promise.all(cluster.nodes.map((node) => read(node, 'kv/seen')));
        assert.deepEqual(
          seen.map(({ body }) => body.data.value),
          [value, value, value],
        );
      }
    });

    it('knows mounts, policies and revocations on each node at once', async () => {
      const [first, second, third] = cluster.nodes;
      for (let round = 0; round < 5; round++) {
        const mount = `new-${round}`;
        assert.equal(
          (await cluster.request(first, 'POST', `sys/mounts/${mount}`, { body: { type: 'kv' } })).status,
          204,
        );
        assert.equal((await write(second, `${mount}/a`, { b: 'c' })).status, 204);
        assert.equal((await read(third, `${mount}/a`)).status, 200);
        await write(third, `sys/policies/acl/${mount}`, {
          policy: `path "${mount}/*" { capabilities = ["read"] }`,
        });
        const made = await cluster.request(second, 'POST', 'auth/token/create', { body: { policies: [mount] } });
        const token = made.body.auth.client_token;
        for (const node of cluster.nodes)
          assert.equal((await call(node.url, 'GET', `${mount}/a`, { token })).status, 200);
        assert.equal((await cluster.request(third, 'POST', 'auth/token/revoke', { body: { token } })).status, 204);
        for (const node of cluster.nodes)
          assert.equal((await call(node.url, 'GET', `${mount}/a`, { token })).status, 403);
      }
    });

    it('deletes a mount with more keys than a batch may have', async () => {
      const [first] = await cluster.standbys();
      assert.equal((await cluster.request(first, 'POST', 'sys/mounts/many', { body: { type: 'kv' } })).status, 204);
      const paths = Array.from({ length: 600 }, (_, index) => `many/k${index}`);
      for (let at = 0; at < paths.length; at += 50)
        await Promise.all(paths.slice(at, at + 50).map((path) => write(first, path, { a: 'b' })));
      assert.equal((await cluster.request(first, 'DELETE', 'sys/mounts/many')).status, 204);
      assert.equal((await read(first, 'many/k1')).status, 404);
    });

    it('lets another node lead at once when the active one steps down, and fails no request', async () => {
      const before = await cluster.active();
      const statuses = [];
      let over = false;
      const writers = cluster.nodes.map(async (node, number) => {
        for (let count = 0; !over; count++)
          statuses.push((await write(node, `kv/step-${number}`, { count: String(count) })).status);
      });
      await pause(200);
      assert.equal((await cluster.request(before, 'PUT', 'sys/step-down')).status, 204);
      await eventually('another node is active', async () => (await cluster.active()) !== before, 5_000);
      await pause(200);
      over = true;
      await Promise.all(writers);
      assert.deepEqual([...new Set(statuses)], [204]);
      await cluster.ready();
    });

    it('loses nothing that was acknowledged when the active node is killed', async () => {
      const acknowledged = [];
      let over = false;
      const writers = [0, 1, 2].map(async (writer) => {
        for (let count = 0; !over; count++) {
          const path = `kv/kill-${writer}-${count}`;
          const node = cluster.nodes[(writer + count) % 3];
          const answer = await write(node, path, { path }, { timeoutMs: 5_000 }).catch(() => undefined);
          if (answer?.status === 204) acknowledged.push(path);
          await pause(10);
        }
      });
      try {
        await pause(300);
        const active = await cluster.active();
        const count = acknowledged.length;
        await cluster.kill(active);
        await eventually('writes go on', async () => acknowledged.length > count + 20, 15_000);
        await cluster.restart(active);
        await cluster.ready();
      } finally {
        over = true;
        await Promise.all(writers);
      }
      for (let at = 0; at < acknowledged.length; at += 50) {
        const some = acknowledged.slice(at, at + 50);
        const found = await Promise.all(some.map((path, index) => read(cluster.nodes[index % 3], path)));
        assert.deepEqual(
          found.map(({ body }) => body.data?.path),
          some,
        );
      }
    });

    it('lets a paused active node write nothing once it is replaced', async () => {
      const former = await cluster.active();
      await write(former, 'kv/paused', { by: 'before' });
      const others = cluster.nodes.filter((node) => node !== former);
      former.process.signal('SIGSTOP');
      // It will find these requests when it goes on, still believing that it leads.
      const late = Array.from({ length: 20 }, () => write(former, 'kv/paused', { by: 'late' }).catch(() => undefined));
      const stale = Array.from({ length: 20 }, () => read(former, 'kv/paused').catch(() => undefined));
      await eventually(
        'another node leads',
        async () => {
          const states = await Promise.all(
            others.map((node) => call(node.url, 'GET', 'sys/health', { timeoutMs: 1000 })),
          );
          return states.some(({ status }) => status === 200);
        },
        15_000,
      );
      // What still went to the paused one is of unknown outcome, and says so.
      await eventually(
        'writes go on',
        async () => (await write(others[0], 'kv/paused', { by: 'successor' })).status === 204,
      ).finally(() => former.process.signal('SIGCONT'));
      for (const answer of await Promise.all(stale)) {
        // Not what it held when it was paused: that was overwritten since.
        if (answer?.status === 200) assert.notEqual(answer.body.data.by, 'before');
      }
      // They were forwarded to the new active node and count as its own, or they failed.
      for (const answer of await Promise.all(late))
        assert.ok(answer === undefined || [204, 503].includes(answer.status));
      await cluster.ready();
      const seen = await Promise.all(cluster.nodes.map((node) => read(node, 'kv/paused')));
      assert.equal(new Set(seen.map(({ body }) => body.data.by)).size, 1);
    });

    it('goes on by itself when the database was restarted', async () => {
      await database.server.program.end('SIGINT');
      await pause(500);
      await database.server.program.start();
      await eventually(
        'writes go on',
        async () => (await write(cluster.nodes[0], 'kv/restarted', { a: 'b' })).status === 204,
        20_000,
      );
      await cluster.ready();
      for (const node of cluster.nodes) assert.equal((await read(node, 'kv/restarted')).body.data.a, 'b');
    });

    it('hands over when the active node is stopped, and starts again where it was', async () => {
      const active = await cluster.active();
      await active.process.end('SIGTERM');
      const [other] = cluster.nodes.filter((node) => node !== active);
      assert.equal((await write(other, 'kv/stopped', { a: 'b' })).status, 204);
      await cluster.restart(active);
      await cluster.ready();
      assert.equal((await read(active, 'kv/stopped')).body.data.a, 'b');
    });
  });
}
