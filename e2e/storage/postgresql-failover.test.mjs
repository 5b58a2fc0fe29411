/** A primary that is lost, and its synchronous replica that takes its place behind the same address. */
import assert from 'node:assert/strict';
import { connect, createServer } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { runPostgresql, runPostgresqlReplica } from '../../libs/testing/dist/databases/index.js';
import { Cluster } from '../cluster.mjs';
import { eventually, pause } from '../program.mjs';
import { mustHold, writer } from '../writers.mjs';

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
    await cluster.mountKv();
  });
  after(async () => {
    await cluster?.stop();
    address?.close();
    await primary?.program.remove();
    await replica?.program.remove();
  });

  it('wait for the new primary, also while it is still a replica, and lose nothing that was acknowledged', async () => {
    const writers = cluster.nodes.map((node, number) =>
      writer(cluster, [node], `w${number}`, { bytes: 0, pauseMs: 10, timeoutMs: 10_000 }),
    );
    const acknowledged = () => writers.flatMap((each) => each.acknowledged);
    try {
      await eventually('writes go', () => acknowledged().length > 40);
      await primary.program.end('SIGKILL');
      // The address moves before the replica is promoted: it may only be read for a while.
      address.target = replica.port;
      await pause(1000);
      const count = acknowledged().length;
      replica.run('SELECT pg_promote()');
      await eventually('writes go on', () => acknowledged().length > count + 40);
    } finally {
      for (const each of writers) await each.stop();
    }
    await cluster.ready();
    await mustHold(cluster, cluster.nodes, acknowledged());
  });
});
