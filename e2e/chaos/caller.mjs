/** What all clients of a round share: how they call, what is noted of it, which node and which key is next. */
import { pause } from '../program.mjs';
import { ask } from './http-client.mjs';

/** So many writes of unknown outcome and a key is left for a fresh one: each doubles what the checker has to try. */
const UNKNOWN_MAX = 5;

export class Caller {
  #round;
  #number = 0;

  /** @param round see `Clients` */
  constructor(round) {
    this.#round = round;
  }

  /** A client of its own, which does one call after the other. */
  client() {
    return { number: ++this.#number, random: this.#round.random.fork(), writes: 0 };
  }

  nodeFor(client) {
    return client.random.pick(this.#round.nodes());
  }

  send(node, method, path, options = {}) {
    const { staleReads, token } = this.#round;
    const headers = { ...options.headers };
    if (staleReads && method === 'GET') headers['X-Vault-Inconsistent'] = 'allow-stale';
    return ask(node, method, path, { token, ...options, headers });
  }

  record(client, node, model, input, send, read) {
    return this.#round.history.record({ model, client: client.number, node: node.id, input }, send, read);
  }

  /** Between two calls: a moment, longer after a refusal. */
  async rest(client, output) {
    await pause(output === undefined ? client.random.between(20, 60) : client.random.between(0, 12));
  }

  /** The key that goes by a name at present; part of it is the round's name, so that rounds do not meet. */
  key(name) {
    return this.keys(name).at(-1);
  }

  /** All keys that have gone by a name, the newest last. */
  keys(name) {
    const { history, name: round } = this.#round;
    const keys = [];
    for (;;) {
      const key = `${round}-${name}-${keys.length}`;
      keys.push(key);
      if ((history.unknownWrites.get(key) ?? 0) < UNKNOWN_MAX) return keys;
    }
  }
}
