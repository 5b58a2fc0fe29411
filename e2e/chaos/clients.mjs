/**
 * The clients of a round: each does one call after the other, every call through a node picked anew, standbys and nodes in
 * trouble included. All writes carry values that no other write carries.
 */
import { Caller } from './caller.mjs';
import { TokenClients } from './token-clients.mjs';
import { Witnesses } from './witnesses.mjs';

const KV1 = 'chaos1';
const KV2 = 'chaos2';
const KEYS = 2;

/** What the clients need in a new cluster. */
export async function mountForClients(request) {
  const ok = async (method, path, body) => {
    const { status, body: answer } = await request(method, path, { body });
    if (status >= 300) throw new Error(`${method} ${path} answered ${status}: ${JSON.stringify(answer)}`);
  };
  await ok('POST', `sys/mounts/${KV1}`, { type: 'kv', options: { version: '1' } });
  await ok('POST', `sys/mounts/${KV2}`, { type: 'kv', options: { version: '2' } });
  await ok('PUT', 'sys/policies/acl/chaos', {
    policy: 'path "auth/token/lookup-self" { capabilities = ["read"] }',
  });
}

/**
 * @param {object} round
 * @param {string} round.name part of all keys, so that rounds do not meet
 * @param {() => object[]} round.nodes those that clients may ask at the moment
 * @param {string} round.token
 * @param {import('./history.mjs').History} round.history
 * @param {object} round.random
 * @param {{path: string, value: string}[]} round.ledger what was acknowledged once and never changed again
 * @param {boolean} round.staleReads asks for reads that may be stale, to see that the harness notices
 */
export class Clients {
  #round;
  #caller;
  #others;
  #stop = false;
  #running = [];

  constructor(round) {
    this.#round = round;
    this.#caller = new Caller(round);
    const stopped = () => this.#stop;
    this.#others = [new TokenClients(round, this.#caller, stopped), new Witnesses(this.#caller, stopped)];
  }

  /** Starts them all. */
  start() {
    const kinds = [
      [3, (client) => this.#registers(client)],
      [3, (client) => this.#versions(client)],
      [3, (client) => this.#patches(client)],
      [1, (client) => this.#ledger(client)],
      ...this.#others.flatMap((each) => each.kinds()),
    ];
    for (const [count, work] of kinds)
      for (let index = 0; index < count; index++) this.#running.push(work(this.#caller.client()));
  }

  /** Lets each finish its call. */
  async stop() {
    this.#stop = true;
    await Promise.all(this.#running);
  }

  /** Every key once through every node: nothing acknowledged is lost, and all nodes agree. */
  async readAll() {
    for (const node of this.#round.nodes()) {
      const client = this.#caller.client();
      for (let number = 0; number < KEYS; number++) {
        for (const key of this.#caller.keys(`register-${number}`)) await this.#readRegister(client, key, node);
        for (const key of this.#caller.keys(`version-${number}`)) await this.#readVersion(client, key, node);
        for (const key of this.#caller.keys(`patch-${number}`)) await this.#readSubKeys(client, key, node);
      }
      for (const each of this.#others) await each.readAll?.(client, node);
    }
    await this.#readLedger();
  }

  /** Looks for what was acknowledged, in turn through all nodes. */
  async checkLedger(entries) {
    const { history } = this.#round;
    const nodes = this.#round.nodes();
    for (const [index, { path, value }] of entries.entries()) {
      const node = nodes[index % nodes.length];
      const found = await this.#caller.send(node, 'GET', path, { timeoutMs: 20_000 });
      if (found.outcome !== 'answered') history.surprises.push(`${node.id} does not serve ${path}: ${found.why}`);
      else if (found.status !== 200 || found.body?.data?.value !== value)
        history.surprises.push(`${node.id}: ${path} was acknowledged and is lost: ${found.status}`);
      else history.counts.ok++;
    }
  }

  // ---- KV version 1: put, get, delete

  async #registers(client) {
    while (!this.#stop) {
      const key = this.#caller.key(`register-${client.random.below(KEYS)}`);
      const choice = client.random.below(10);
      const node = this.#caller.nodeFor(client);
      if (choice < 5) await this.#caller.rest(client, await this.#readRegister(client, key, node));
      else await this.#caller.rest(client, await this.#writeRegister(client, key, node, choice < 9));
    }
  }

  #readRegister(client, key, node) {
    return this.#caller.record(
      client,
      node,
      'subKeys',
      { kind: 'read', path: key },
      () => this.#caller.send(node, 'GET', `${KV1}/${key}`),
      ({ status, body }) => {
        if (status === 404) return { kind: 'data', data: undefined };
        return status === 200 ? { kind: 'data', data: Object.entries(body.data) } : undefined;
      },
    );
  }

  #writeRegister(client, key, node, put) {
    const value = `${client.number}-${++client.writes}`;
    return this.#caller.record(
      client,
      node,
      'subKeys',
      put ? { kind: 'replace', path: key, data: [['value', value]] } : { kind: 'delete', path: key },
      () => this.#caller.send(node, put ? 'PUT' : 'DELETE', `${KV1}/${key}`, { body: put ? { value } : undefined }),
      ({ status }) => (status === 204 ? { kind: put ? 'replaced' : 'deleted' } : undefined),
    );
  }

  // ---- KV version 2: check-and-set, plain writes, deletes

  async #versions(client) {
    const known = new Map();
    while (!this.#stop) {
      const key = this.#caller.key(`version-${client.random.below(KEYS)}`);
      const choice = client.random.below(10);
      const node = this.#caller.nodeFor(client);
      let output;
      if (choice < 4) output = await this.#readVersion(client, key, node);
      else if (choice < 9) output = await this.#writeVersion(client, key, node, known.get(key) ?? 0);
      else output = await this.#deleteVersion(client, key, node);
      if (output?.kind === 'missing') known.set(key, 0);
      else if (output?.version !== undefined) known.set(key, output.version);
      // a mismatch: what is known is old
      else if (output?.kind === 'mismatch') {
        const read = await this.#readVersion(client, key, this.#caller.nodeFor(client));
        if (read) known.set(key, read.version ?? 0);
      }
      await this.#caller.rest(client, output);
    }
  }

  #readVersion(client, key, node) {
    return this.#caller.record(
      client,
      node,
      'versioned',
      { kind: 'read', path: key },
      () => this.#caller.send(node, 'GET', `${KV2}/data/${key}`),
      ({ status, body }) => {
        if (status === 404 && !body?.data) return { kind: 'missing' };
        if (status !== 200 && status !== 404) return undefined;
        return { kind: 'found', version: body.data.metadata.version, value: body.data.data?.value };
      },
    );
  }

  #writeVersion(client, key, node, known) {
    const value = `${client.number}-${++client.writes}`;
    const cas = client.random.chance(850) ? known : undefined;
    return this.#caller.record(
      client,
      node,
      'versioned',
      { kind: 'write', path: key, value, ...(cas === undefined ? {} : { cas }) },
      () =>
        this.#caller.send(node, 'POST', `${KV2}/data/${key}`, {
          body: { data: { value }, ...(cas === undefined ? {} : { options: { cas } }) },
        }),
      ({ status, body }) => {
        if (status === 200) return { kind: 'written', version: body.data.version };
        return status === 400 && /check-and-set/.test(body?.errors?.[0]) ? { kind: 'mismatch' } : undefined;
      },
    );
  }

  #deleteVersion(client, key, node) {
    return this.#caller.record(
      client,
      node,
      'versioned',
      { kind: 'delete', path: key },
      () => this.#caller.send(node, 'DELETE', `${KV2}/data/${key}`),
      ({ status }) => (status === 204 ? { kind: 'deleted' } : undefined),
    );
  }

  // ---- merge patches of disjoint sub-keys

  async #patches(client) {
    const created = new Set();
    while (!this.#stop) {
      const key = this.#caller.key(`patch-${client.random.below(KEYS)}`);
      const node = this.#caller.nodeFor(client);
      // one of them creates a path once, and nobody replaces it after that, unless it is gone
      if (!created.has(key) && (await this.#createOnce(client, key, node))) created.add(key);
      if (client.random.chance(300)) await this.#caller.rest(client, await this.#readSubKeys(client, key, node));
      else {
        const output = await this.#patch(client, key, node);
        // a restore took it back
        if (output?.found === false) created.delete(key);
        await this.#caller.rest(client, output);
      }
    }
  }

  /** With `cas=0`, so that only one creation can be. @returns whether it exists now for certain */
  async #createOnce(client, key, node) {
    const output = await this.#caller.record(
      client,
      node,
      'subKeys',
      { kind: 'replace', path: key, data: [['born', '1']] },
      async () => {
        const answer = await this.#caller.send(node, 'POST', `${KV2}/data/${key}`, {
          body: { data: { born: '1' }, options: { cas: 0 } },
        });
        // another was first: this one did nothing
        if (answer.status === 400 && /check-and-set/.test(answer.body?.errors?.[0]))
          return { outcome: 'refused', why: 'created already' };
        return answer;
      },
      ({ status }) => (status === 200 ? { kind: 'replaced' } : undefined),
    );
    if (output) return true;
    const read = await this.#readSubKeys(client, key, node);
    return read?.data !== undefined;
  }

  #readSubKeys(client, key, node) {
    return this.#caller.record(
      client,
      node,
      'subKeys',
      { kind: 'read', path: key },
      () => this.#caller.send(node, 'GET', `${KV2}/data/${key}`),
      ({ status, body }) => {
        if (status === 404) return { kind: 'data', data: undefined };
        return status === 200 ? { kind: 'data', data: Object.entries(body.data.data) } : undefined;
      },
    );
  }

  #patch(client, key, node) {
    const changes = [[`client-${client.number}`, String(++client.writes)]];
    return this.#caller.record(
      client,
      node,
      'subKeys',
      { kind: 'patch', path: key, changes },
      () =>
        this.#caller.send(node, 'PATCH', `${KV2}/data/${key}`, {
          body: { data: Object.fromEntries(changes) },
          headers: { 'Content-Type': 'application/merge-patch+json' },
        }),
      ({ status }) => (status === 200 || status === 404 ? { kind: 'patched', found: status === 200 } : undefined),
    );
  }

  // ---- written once, never changed

  async #ledger(client) {
    const { ledger, name } = this.#round;
    while (!this.#stop) {
      const key = `ledger-${name}-${client.number}-${++client.writes}`;
      const value = `v-${client.writes}`;
      const node = this.#caller.nodeFor(client);
      const output = await this.#caller.record(
        client,
        node,
        'subKeys',
        { kind: 'replace', path: key, data: [['value', value]] },
        () => this.#caller.send(node, 'PUT', `${KV1}/${key}`, { body: { value } }),
        ({ status }) => (status === 204 ? { kind: 'replaced' } : undefined),
      );
      if (output) ledger.push({ round: name, key, path: `${KV1}/${key}`, value });
      await this.#caller.rest(client, output);
    }
  }

  /** What this round acknowledged is there, or was taken back by a restore, which the checker has to agree with. */
  async #readLedger() {
    const { history, ledger, name } = this.#round;
    const client = this.#caller.client();
    const nodes = this.#round.nodes();
    const lost = new Set();
    for (const [index, entry] of ledger.filter(({ round }) => round === name).entries()) {
      const node = nodes[index % nodes.length];
      const output = await this.#readRegister(client, entry.key, node);
      if (output === undefined) history.surprises.push(`${node.id} does not serve ${entry.path}`);
      else if (output.data === undefined) lost.add(entry);
    }
    if (history.restores.length === 0)
      for (const { path } of lost) history.surprises.push(`${path} was acknowledged and is lost`);
    ledger.splice(0, ledger.length, ...ledger.filter((entry) => !lost.has(entry)));
  }
}
