/** A primary that is lost, and its synchronous replica that takes its place behind the same address. */
import assert from 'node:assert/strict';
import { connect, createServer } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { runPostgresql, runPostgresqlReplica } from '../../libs/testing/dist/databases/index.js';
import { Cluster } from '../cluster.mjs';
import { eventually, pause } from '../program.mjs';

/** The address that moves: a connection goes to whichever server is meant at its beginning, and ends with it. */
class MovingAddress {
  #server;
  target;

  static async open(target) {
    const address = new MovingAddress();
    address.target = target;
    address.#server = createServer((client) => {
      const server = connect(address.target, '127.0.0.1');
      for (const [socket, peer] of [
        [client, server],
        [server, client],
      ])
        socket
          .on('error', () => {})
          .on('close', () => peer.destroy())
          .pipe(peer);
    });
    await new Promise((resolve) => address.#server.listen(0, '127.0.0.1', resolve));
    return address;
  }

  get port() {
    return this.#server.address().port;
  }

  close() {
    this.#server.close();
  }
}

describe('nodes on a PostgreSQL with a synchronous replica', () => {
  let primary;
  let replica;
  let address;
  let cluster;
  before(async () => {
    primary = await runPostgresql();
    replica = await runPostgresqlReplica(primary);
    primary.run("ALTER SYSTEM SET synchronous_standby_names = '*'");
    primary.run('SELECT pg_reload_conf()');
    address = await MovingAddress.open(primary.port);
    cluster = await Cluster.start({
      nodes: 2,
      storage: () => `storage "postgresql" {
  connection_url = "postgres://coffer@127.0.0.1:${address.port}/postgres"
  ha_enabled     = true
}
`,
    });
    assert.equal(
      (await cluster.request(cluster.nodes[0], 'POST', 'sys/mounts/kv', { body: { type: 'kv' } })).status,
      204,
    );
  });
  after(async () => {
    await cluster?.stop();
    address?.close();
    await primary?.program.remove();
    await replica?.program.remove();
  });

  it('wait for the new primary, also while it is still a replica, and lose nothing that was acknowledged', async () => {
    const acknowledged = [];
    let over = false;
    const writers = cluster.nodes.map(async (node, number) => {
      for (let count = 0; !over; count++) {
        const path = `kv/w${number}-${count}`;
        const answer = await cluster
          .request(node, 'PUT', path, { body: { path }, timeoutMs: 10_000 })
          .catch(() => undefined);
        if (answer?.status === 204) acknowledged.push(path);
        await pause(10);
      }
    });
    try {
      await eventually('writes go', () => acknowledged.length > 40);
      await primary.program.end('SIGKILL');
      // The address moves before the replica is promoted: it may only be read for a while.
      address.target = replica.port;
      await pause(1000);
      const count = acknowledged.length;
      replica.run('SELECT pg_promote()');
      await eventually('writes go on', () => acknowledged.length > count + 40);
    } finally {
      over = true;
      await Promise.all(writers);
    }
    await cluster.ready();
    for (let at = 0; at < acknowledged.length; at += 50) {
      const some = acknowledged.slice(at, at + 50);
      const found = await Promise.all(
        some.map((path, index) => cluster.request(cluster.nodes[index % 2], 'GET', path)),
      );
      assert.deepEqual(
        found.map(({ body }) => body.data?.path),
        some,
      );
    }
  });
});
