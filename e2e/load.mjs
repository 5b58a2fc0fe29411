/**
 * Clients of a cluster from which planned changes must hide: they behave as behind a load balancer, with one connection
 * each, kept until the node says `connection: close` or refuses to be connected to, then another node whose health is
 * good. Any answer but the expected one is a failure.
 */
import assert from 'node:assert/strict';
import { Agent, request } from 'node:http';
import { eventually, pause } from './program.mjs';

const CLIENTS = 6;

/** A client of one connection at a time. */
class Client {
  #nodes;
  #token;
  #at;
  #agent = new Agent({ keepAlive: true, maxSockets: 1 });

  constructor(nodes, token, first) {
    this.#nodes = nodes;
    this.#token = token;
    this.#at = first % nodes.length;
  }

  /** @returns {Promise<{status: number, text: string, node: string}>} @throws what went wrong after the request was accepted */
  async ask(method, path, body) {
    const endMs = Date.now() + 30_000;
    for (;;) {
      const node = this.#nodes[this.#at];
      try {
        const answer = await this.#send(node, method, path, body);
        if (answer.closing) await this.#move();
        return { ...answer, node: node.id };
      } catch (error) {
        // nobody accepted it: the only failure that a load balancer hides
        if (error.code !== 'ECONNREFUSED' || Date.now() > endMs) throw error;
        await this.#move();
      }
    }
  }

  /** To the next node whose health is good. */
  async #move() {
    for (;;) {
      this.#at = (this.#at + 1) % this.#nodes.length;
      const { url } = this.#nodes[this.#at];
      const health = await fetch(`${url}/v1/sys/health?standbyok=true`, { headers: { connection: 'close' } }).catch(
        () => undefined,
      );
      await health?.arrayBuffer().catch(() => undefined);
      if (health?.status === 200) return;
      await pause(5);
    }
  }

  #send(node, method, path, body) {
    const text = body === undefined ? undefined : JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const sent = request(
        `${node.url}/v1/${path}`,
        {
          method,
          agent: this.#agent,
          headers: {
            'x-vault-token': this.#token,
            ...(text === undefined
              ? {}
              : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
          },
          timeout: 30_000,
        },
        (answer) => {
          let heard = '';
          answer.on('data', (chunk) => (heard += chunk));
          answer.on('error', reject);
          answer.on('end', () =>
            resolve({ status: answer.statusCode, text: heard, closing: answer.headers.connection === 'close' }),
          );
        },
      );
      sent.on('timeout', () => sent.destroy(new Error('no answer in 30 s')));
      sent.on('error', reject);
      sent.end(text);
    });
  }

  close() {
    this.#agent.destroy();
  }
}

/** Clients that write and read what they wrote below `kv/` until they are stopped. */
export class Load {
  failures = [];
  answered = 0;
  /** When each good write was answered, in milliseconds. */
  writtenAtMs = [];
  #name;
  /** Between two writes of a client. */
  #restMs;
  #stopped = false;
  #running;

  /** @param {{nodes: {id: string, url: string}[], token: string}} cluster clients are spread over its nodes */
  constructor(cluster, { tolerant = false, name = 'moves', restMs = 0 } = {}) {
    this.#name = name;
    this.#restMs = restMs;
    this.#running = Promise.all(
      Array.from({ length: CLIENTS }, (_, number) =>
        this.#run(new Client(cluster.nodes, cluster.token, number), number, tolerant),
      ),
    );
  }

  async #run(client, number, tolerant) {
    for (let count = 0; !this.#stopped; count++) {
      if (this.#restMs > 0) await pause(this.#restMs);
      const value = `${number}-${count}`;
      const write = ['PUT', `kv/${this.#name}-${number}`, { value }];
      const written = await this.#one(client, write, (answer) => answer.status === 204, tolerant);
      if (!written) {
        await pause(5);
        continue;
      }
      this.writtenAtMs.push(performance.now());
      await this.#one(
        client,
        ['GET', `kv/${this.#name}-${number}`],
        (answer) => answer.status === 200 && JSON.parse(answer.text).data.value === value,
        tolerant,
      );
      if (count % 10 === 0)
        await this.#one(client, ['GET', 'auth/token/lookup-self'], (answer) => answer.status === 200, tolerant);
    }
    client.close();
  }

  async #one(client, ask, good, tolerant) {
    let answer;
    try {
      answer = await client.ask(...ask);
    } catch (error) {
      if (!tolerant) this.failures.push(`${ask[0]} ${ask[1]}: ${error.code ?? error.message}`);
      return false;
    }
    if (good(answer)) {
      this.answered++;
      return true;
    }
    if (!tolerant) this.failures.push(`${ask[0]} ${ask[1]} at ${answer.node}: ${answer.status} ${answer.text}`);
    return false;
  }

  async stop() {
    this.#stopped = true;
    await this.#running;
  }

  /** Waits until each client has had some more answers. */
  goesOn() {
    const from = this.answered;
    return eventually('the clients go on', () => Promise.resolve(this.answered > from + 5 * CLIENTS));
  }

  assertNothingFailed() {
    assert.deepEqual(this.failures.slice(0, 10), [], `${this.failures.length} of ${this.answered} requests failed`);
    assert.ok(this.answered > 100, `only ${this.answered} requests`);
  }
}
