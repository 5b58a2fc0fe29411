/**
 * The clients of a round: each does one call after the other, every call through a node picked anew, standbys and nodes in
 * trouble included. All writes carry values that no other write carries.
 */
import { pause } from '../program.mjs';
import { ask } from './http-client.mjs';
import { nowNs } from './history.mjs';

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
  #stop = false;
  #running = [];
  #number = 0;

  constructor(round) {
    this.#round = round;
  }

  /** Starts them all. */
  start() {
    const kinds = [
      [3, (client) => this.#registers(client)],
      [3, (client) => this.#versions(client)],
      [3, (client) => this.#patches(client)],
      [2, (client) => this.#tokens(client)],
      [1, (client) => this.#ledger(client)],
      [1, (client) => this.#wrappedOnce(client)],
    ];
    for (const [count, work] of kinds)
      for (let index = 0; index < count; index++) this.#running.push(work(this.#client()));
  }

  /** Lets each finish its call. */
  async stop() {
    this.#stop = true;
    await Promise.all(this.#running);
  }

  /** Every key once through every node: nothing acknowledged is lost, and all nodes agree. */
  async readAll() {
    for (const node of this.#round.nodes()) {
      const client = this.#client();
      for (let key = 0; key < KEYS; key++) {
        await this.#readRegister(client, `register-${key}`, node);
        await this.#readVersion(client, `version-${key}`, node);
        await this.#readSubKeys(client, `patch-${key}`, node);
      }
    }
    await this.checkLedger(this.#round.ledger.filter(({ round }) => round === this.#round.name));
  }

  /** Looks for what was acknowledged, in turn through all nodes. */
  async checkLedger(entries) {
    const { history, token } = this.#round;
    const nodes = this.#round.nodes();
    for (const [index, { path, value }] of entries.entries()) {
      const node = nodes[index % nodes.length];
      const found = await this.#send(node, 'GET', path, { token, timeoutMs: 20_000 });
      if (found.outcome !== 'answered') history.surprises.push(`${node.id} does not serve ${path}: ${found.why}`);
      else if (found.status !== 200 || found.body?.data?.value !== value)
        history.surprises.push(`${node.id}: ${path} was acknowledged and is lost: ${found.status}`);
      else history.counts.ok++;
    }
  }

  #client() {
    const client = { number: ++this.#number, random: this.#round.random.fork(), writes: 0 };
    return client;
  }

  #node(client) {
    return client.random.pick(this.#round.nodes());
  }

  #send(node, method, path, options = {}) {
    const headers = { ...options.headers };
    if (this.#round.staleReads && method === 'GET') headers['X-Vault-Inconsistent'] = 'allow-stale';
    return ask(node, method, path, { token: this.#round.token, ...options, headers });
  }

  #record(client, node, model, input, send, read) {
    return this.#round.history.record({ model, client: client.number, node: node.id, input }, send, read);
  }

  /** Between two calls: a moment, longer after a refusal. */
  async #rest(client, output) {
    await pause(output === undefined ? client.random.between(20, 60) : client.random.between(0, 12));
  }

  // ---- KV version 1: put, get, delete

  async #registers(client) {
    while (!this.#stop) {
      const name = `register-${client.random.below(KEYS)}`;
      const choice = client.random.below(10);
      const node = this.#node(client);
      if (choice < 5) await this.#rest(client, await this.#readRegister(client, name, node));
      else await this.#rest(client, await this.#writeRegister(client, name, node, choice < 9));
    }
  }

  #readRegister(client, name, node) {
    const path = this.#path(name);
    return this.#record(
      client,
      node,
      'subKeys',
      { kind: 'read', path },
      () => this.#send(node, 'GET', `${KV1}/${path}`),
      ({ status, body }) => {
        if (status === 404) return { kind: 'data', data: undefined };
        return status === 200 ? { kind: 'data', data: Object.entries(body.data) } : undefined;
      },
    );
  }

  #writeRegister(client, name, node, put) {
    const path = this.#path(name);
    const value = `${client.number}-${++client.writes}`;
    return this.#record(
      client,
      node,
      'subKeys',
      put ? { kind: 'replace', path, data: [['value', value]] } : { kind: 'delete', path },
      () => this.#send(node, put ? 'PUT' : 'DELETE', `${KV1}/${path}`, { body: put ? { value } : undefined }),
      ({ status }) => (status === 204 ? { kind: put ? 'replaced' : 'deleted' } : undefined),
    );
  }

  // ---- KV version 2: check-and-set, plain writes, deletes

  async #versions(client) {
    const known = new Map();
    while (!this.#stop) {
      const name = `version-${client.random.below(KEYS)}`;
      const choice = client.random.below(10);
      const node = this.#node(client);
      let output;
      if (choice < 4) output = await this.#readVersion(client, name, node);
      else if (choice < 9) output = await this.#writeVersion(client, name, node, known.get(name) ?? 0);
      else output = await this.#deleteVersion(client, name, node);
      if (output?.kind === 'missing') known.set(name, 0);
      else if (output?.version !== undefined) known.set(name, output.version);
      // a mismatch: what is known is old
      else if (output?.kind === 'mismatch') {
        const read = await this.#readVersion(client, name, this.#node(client));
        if (read) known.set(name, read.version ?? 0);
      }
      await this.#rest(client, output);
    }
  }

  #readVersion(client, name, node) {
    const path = this.#path(name);
    return this.#record(
      client,
      node,
      'versioned',
      { kind: 'read', path },
      () => this.#send(node, 'GET', `${KV2}/data/${path}`),
      ({ status, body }) => {
        if (status === 404 && !body?.data) return { kind: 'missing' };
        if (status !== 200 && status !== 404) return undefined;
        return { kind: 'found', version: body.data.metadata.version, value: body.data.data?.value };
      },
    );
  }

  #writeVersion(client, name, node, known) {
    const path = this.#path(name);
    const value = `${client.number}-${++client.writes}`;
    const cas = client.random.chance(850) ? known : undefined;
    return this.#record(
      client,
      node,
      'versioned',
      { kind: 'write', path, value, ...(cas === undefined ? {} : { cas }) },
      () =>
        this.#send(node, 'POST', `${KV2}/data/${path}`, {
          body: { data: { value }, ...(cas === undefined ? {} : { options: { cas } }) },
        }),
      ({ status, body }) => {
        if (status === 200) return { kind: 'written', version: body.data.version };
        return status === 400 && /check-and-set/.test(body?.errors?.[0]) ? { kind: 'mismatch' } : undefined;
      },
    );
  }

  #deleteVersion(client, name, node) {
    const path = this.#path(name);
    return this.#record(
      client,
      node,
      'versioned',
      { kind: 'delete', path },
      () => this.#send(node, 'DELETE', `${KV2}/data/${path}`),
      ({ status }) => (status === 204 ? { kind: 'deleted' } : undefined),
    );
  }

  // ---- merge patches of disjoint sub-keys

  async #patches(client) {
    const created = new Set();
    while (!this.#stop) {
      const name = `patch-${client.random.below(KEYS)}`;
      const node = this.#node(client);
      // one of them creates a path once, and nobody replaces it after that
      if (!created.has(name) && (await this.#createOnce(client, name, node))) created.add(name);
      if (client.random.chance(300)) await this.#rest(client, await this.#readSubKeys(client, name, node));
      else await this.#rest(client, await this.#patch(client, name, node));
    }
  }

  /** With `cas=0`, so that only one creation can be. @returns whether it exists now for certain */
  async #createOnce(client, name, node) {
    const path = this.#path(name);
    const output = await this.#record(
      client,
      node,
      'subKeys',
      { kind: 'replace', path, data: [['born', '1']] },
      async () => {
        const answer = await this.#send(node, 'POST', `${KV2}/data/${path}`, {
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
    const read = await this.#readSubKeys(client, name, node);
    return read?.data !== undefined;
  }

  #readSubKeys(client, name, node) {
    const path = this.#path(name);
    return this.#record(
      client,
      node,
      'subKeys',
      { kind: 'read', path },
      () => this.#send(node, 'GET', `${KV2}/data/${path}`),
      ({ status, body }) => {
        if (status === 404) return { kind: 'data', data: undefined };
        return status === 200 ? { kind: 'data', data: Object.entries(body.data.data) } : undefined;
      },
    );
  }

  #patch(client, name, node) {
    const path = this.#path(name);
    const changes = [[`client-${client.number}`, String(++client.writes)]];
    return this.#record(
      client,
      node,
      'subKeys',
      { kind: 'patch', path, changes },
      () =>
        this.#send(node, 'PATCH', `${KV2}/data/${path}`, {
          body: { data: Object.fromEntries(changes) },
          headers: { 'Content-Type': 'application/merge-patch+json' },
        }),
      ({ status }) => (status === 200 || status === 404 ? { kind: 'patched', found: status === 200 } : undefined),
    );
  }

  // ---- tokens: made on one node, known on all; revoked on one, refused on all

  async #tokens(client) {
    while (!this.#stop) {
      const made = await this.#send(this.#node(client), 'POST', 'auth/token/create', {
        body: { policies: ['chaos'], ttl: '1h', no_parent: true },
      });
      const token = made.body?.auth?.client_token;
      if (made.outcome !== 'answered' || token === undefined) {
        if (made.outcome === 'answered')
          this.#round.history.surprises.push(`a token was not made: ${made.status} ${JSON.stringify(made.body)}`);
        await this.#rest(client, undefined);
        continue;
      }
      const key = `token-${this.#round.name}-${client.number}-${++client.writes}`;
      const { history } = this.#round;
      const at = nowNs();
      history.operations.push({
        model: 'register',
        client: client.number,
        node: '-',
        input: { kind: 'put', key, value: 'live' },
        start: at,
        end: at,
        output: { kind: 'stored' },
      });
      for (let use = client.random.below(3); use >= 0; use--) await this.#use(client, key, token, this.#node(client));
      // somebody goes on using it while it is revoked
      const user = this.#use(client, key, token, this.#node(client));
      await this.#revoke(client, key, token, this.#node(client));
      await user;
      await Promise.all(this.#round.nodes().map((node) => this.#use(client, key, token, node)));
      await this.#rest(client, 'done');
    }
  }

  #use(client, key, token, node) {
    return this.#record(
      client,
      node,
      'register',
      { kind: 'get', key },
      () => this.#send(node, 'GET', 'auth/token/lookup-self', { token }),
      ({ status }) => {
        if (status === 200) return { kind: 'got', value: 'live' };
        return status === 403 ? { kind: 'got', value: 'revoked' } : undefined;
      },
    );
  }

  #revoke(client, key, token, node) {
    return this.#record(
      client,
      node,
      'register',
      { kind: 'put', key, value: 'revoked' },
      async () => {
        const answer = await this.#send(node, 'POST', 'auth/token/revoke', { body: { token } });
        // it is made of several writes, of which the first takes the token's power away: 503 says that it can be
        // repeated, not that nothing was done
        return answer.outcome === 'refused' && answer.status === 503 ? { ...answer, outcome: 'unknown' } : answer;
      },
      ({ status }) => (status === 204 ? { kind: 'stored' } : undefined),
    );
  }

  // ---- a wrapped answer is given out once

  async #wrappedOnce(client) {
    const { history } = this.#round;
    while (!this.#stop) {
      const wrapped = await this.#send(this.#node(client), 'POST', 'sys/wrapping/wrap', {
        body: { secret: 'x' },
        headers: { 'X-Vault-Wrap-TTL': '60s' },
      });
      const token = wrapped.body?.wrap_info?.token;
      if (token !== undefined) {
        const answers = await Promise.all(
          [0, 1, 2].map(() => this.#send(this.#node(client), 'POST', 'sys/wrapping/unwrap', { token })),
        );
        const given = answers.filter(({ status }) => status === 200).length;
        if (given > 1) history.surprises.push(`a wrapped answer was given out ${given} times`);
        // nobody got it though nobody can have lost it
        if (given === 0 && answers.every(({ outcome }) => outcome === 'answered'))
          history.surprises.push(
            `a wrapped answer was given to nobody: ${answers.map(({ status }) => status).join(' ')}`,
          );
        history.counts.ok += given;
      } else if (wrapped.outcome === 'answered')
        history.surprises.push(`nothing was wrapped: ${wrapped.status} ${JSON.stringify(wrapped.body)}`);
      await pause(client.random.between(50, 150));
    }
  }

  // ---- written once, never changed

  async #ledger(client) {
    const { history, ledger, token, name } = this.#round;
    while (!this.#stop) {
      const path = `${KV1}/ledger-${name}-${client.number}-${++client.writes}`;
      const value = `v-${client.writes}`;
      const answer = await ask(this.#node(client), 'PUT', path, { token, body: { value } });
      if (answer.status === 204) {
        ledger.push({ round: name, path, value });
        history.goodWrites.push(nowNs());
        history.counts.ok++;
        await this.#rest(client, 'done');
      } else {
        if (answer.outcome === 'answered') history.surprises.push(`PUT ${path} answered ${answer.status}`);
        else history.counts[answer.outcome]++;
        await this.#rest(client, undefined);
      }
    }
  }

  #path(name) {
    return `${this.#round.name}-${name}`;
  }
}
