/**
 * Clients that watch several keys at once: whatever takes the place of the state does so for all keys in the same moment.
 * Few clients and one history for all their keys, which the checker has to explain together; the keys lie in both key-value
 * engines and among the policies, whose caches are not the same.
 */

/** Where they lie: what a value looks like there, and how it is found again. */
const PLACES = [
  {
    key: 'kv1',
    path: (name) => `chaos1/${name}`,
    body: (value) => ({ value }),
    read: (body) => body.data.value,
  },
  {
    key: 'kv1-other',
    path: (name) => `chaos1/${name}-other`,
    body: (value) => ({ value }),
    read: (body) => body.data.value,
  },
  {
    key: 'kv2',
    path: (name) => `chaos2/data/${name}`,
    body: (value) => ({ data: { value } }),
    read: (body) => body.data.data.value,
  },
  {
    key: 'policy',
    path: (name) => `sys/policies/acl/${name}`,
    body: (value) => ({ policy: `# ${value}\npath "x" { capabilities = ["read"] }` }),
    read: (body) => /^# (\S+)/.exec(body.data.policy)?.[1],
  },
];

export class Witnesses {
  #caller;
  #stopped;

  constructor(caller, stopped) {
    this.#caller = caller;
    this.#stopped = stopped;
  }

  kinds() {
    return [
      [1, (client) => this.#writes(client)],
      [2, (client) => this.#reads(client)],
    ];
  }

  async readAll(client, node) {
    for (const partition of this.#caller.keys('witness'))
      for (const place of PLACES) await this.#get(client, partition, place, node);
  }

  /** One place after the other, so that each state but the newest is told from the one before by all of them. */
  async #writes(client) {
    while (!this.#stopped()) {
      const place = PLACES[client.writes % PLACES.length];
      await this.#caller.rest(client, await this.#put(client, this.#caller.key('witness'), place));
    }
  }

  async #reads(client) {
    while (!this.#stopped()) {
      const partition = this.#caller.key('witness');
      await this.#caller.rest(
        client,
        await this.#get(client, partition, client.random.pick(PLACES), this.#caller.nodeFor(client)),
      );
    }
  }

  #put(client, partition, { key, path, body }) {
    const value = String(++client.writes);
    const node = this.#caller.nodeFor(client);
    return this.#caller.record(
      client,
      node,
      'store',
      { kind: 'put', partition, key, value },
      () => this.#caller.send(node, 'PUT', path(partition), { body: body(value) }),
      ({ status }) => (status === 200 || status === 204 ? { kind: 'stored' } : undefined),
    );
  }

  #get(client, partition, { key, path, read }, node) {
    return this.#caller.record(
      client,
      node,
      'store',
      { kind: 'get', partition, key },
      () => this.#caller.send(node, 'GET', path(partition)),
      ({ status, body }) => {
        if (status === 404) return { kind: 'got', value: undefined };
        return status === 200 ? { kind: 'got', value: read(body) } : undefined;
      },
    );
  }
}
