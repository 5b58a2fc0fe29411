/** The authority of the cluster port is replaced, again and again, while clients work on all nodes; shared by storages. */
import assert from 'node:assert/strict';
import { authorityOf, enter, leafOf, nameOf, showsLeafOf } from './cluster-port.mjs';
import { eventually, pause } from './program.mjs';

/** What nodes are configured with: an authority gets a successor after five seconds; tests may look at the record. */
export const ROTATION_SETTINGS = 'cluster_authority_ttl = "5s"\nraw_storage_endpoint  = true\n';

/** Clients that write and read through nodes, each through its own, all the time. Any answer but the expected one counts. */
class Clients {
  failures = [];
  done = new Map();
  #running = new Map();

  constructor(cluster) {
    this.cluster = cluster;
  }

  start(node) {
    const client = { stopped: false };
    client.ended = this.#run(node, client);
    this.#running.set(node, client);
  }

  async stop(node) {
    const client = this.#running.get(node);
    this.#running.delete(node);
    if (!client) return;
    client.stopped = true;
    await client.ended;
  }

  async stopAll() {
    for (const node of this.#running.keys()) await this.stop(node);
  }

  async #run(node, client) {
    for (let count = 0; !client.stopped; count++) {
      const value = `${node.id}-${count}`;
      await this.#one(node, 'PUT', { body: { value } }, ({ status }) => status === 204);
      await this.#one(node, 'GET', {}, ({ status, body }) => status === 200 && body.data.value === value);
      this.done.set(node, (this.done.get(node) ?? 0) + 1);
    }
  }

  async #one(node, method, options, good) {
    const answer = await this.cluster
      .request(node, method, `kv/rotation-${node.id}`, { ...options, timeoutMs: 30_000 })
      .catch((error) => ({ status: error.cause?.code ?? error.message }));
    if (!good(answer))
      this.failures.push(`${method} through ${node.id}: ${answer.status} ${JSON.stringify(answer.body)}`);
  }
}

/** Waits until an authority that is not among the former ones is the only one that is trusted. */
const successor = (cluster, node, ...former) =>
  eventually(
    'a successor is alone',
    async () => {
      const authority = await authorityOf(cluster, node);
      const [first, second] = authority.certificates;
      return second === undefined && former.every(({ certificates }) => certificates[0] !== first) && authority;
    },
    60_000,
    100,
  );

const entering = async (cluster, node, leaf) => {
  const who = await nameOf(cluster, node);
  const socket = await enter(node, leaf, 'coffer-forward/1', who);
  socket.destroy();
};

const refused = (attempt) =>
  assert.rejects(attempt, (error) => /^(?:ERR_SSL|ECONNRESET|EPIPE)/.test(error.code) || error.message === 'closed');

/** All nodes show certificates of the present authority, let in who has one, and nobody with one of the former. */
async function settled(cluster, active, former) {
  for (const node of cluster.nodes) {
    await eventually(`${node.id} has changed over`, async () => {
      // The next succession may be under way by now.
      const authority = await authorityOf(cluster, active);
      if (!(await showsLeafOf(node, authority))) return false;
      await refused(entering(cluster, node, await leafOf(former, node.id)));
      await entering(cluster, node, await leafOf(authority, node.id));
      return true;
    });
  }
}

/**
 * Two successions under load; a node is down while the second one begins.
 *
 * @param waits whether a succession waits for a node that is down
 */
export async function rotateUnderLoad(cluster, { waits }) {
  await cluster.mountKv();
  const active = await cluster.active();
  const [absent, forwarding] = await cluster.standbys();
  const clients = new Clients(cluster);
  try {
    for (const node of cluster.nodes) clients.start(node);
    const first = await authorityOf(cluster, active);
    const old = await leafOf(first, forwarding.id);
    if (first.certificates.length === 1) await entering(cluster, active, await leafOf(first, active.id));
    // A certificate of the present authority that is past its time.
    await refused(entering(cluster, active, await leafOf(first, active.id, 72 * 3_600_000)));

    const second = await successor(cluster, active, first);
    await settled(cluster, active, first);
    await refused(entering(cluster, active, old));

    await clients.stop(absent);
    await cluster.kill(absent);
    if (waits) {
      const announced = await eventually(
        'a successor is announced',
        async () => {
          const authority = await authorityOf(cluster, active);
          return authority.certificates.length === 2 && authority;
        },
        60_000,
        100,
      );
      await pause(4000);
      assert.equal((await authorityOf(cluster, active)).certificates[0], announced.certificates[0]);
    } else {
      await successor(cluster, active, first, second);
    }
    await cluster.restart(absent);
    await cluster.ready();
    clients.start(absent);
    await successor(cluster, active, first, second);
    await settled(cluster, active, second);
    // The node that was away forwards, and is forwarded to.
    const before = clients.done.get(absent);
    await eventually('it serves', async () => clients.done.get(absent) > before + 5);
  } finally {
    await clients.stopAll();
  }
  assert.deepEqual(clients.failures, []);
  for (const node of cluster.nodes) assert.ok(clients.done.get(node) > 50, `${node.id}: ${clients.done.get(node)}`);
  assert.equal((await cluster.active()).id, active.id, 'the active node stays');
}
