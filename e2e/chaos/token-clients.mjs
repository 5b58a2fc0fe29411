/** Clients of a round that make tokens and wrapped answers. */
import { pause } from '../program.mjs';
import { nowNs } from './clock.mjs';

/** So many tokens are used again at the end. */
const USED_AGAIN = 30;

export class TokenClients {
  #round;
  #caller;
  #stopped;
  /** Those that were made. */
  #known = [];

  constructor(round, caller, stopped) {
    this.#round = round;
    this.#caller = caller;
    this.#stopped = stopped;
  }

  kinds() {
    return [
      [2, (client) => this.#tokens(client)],
      [1, (client) => this.#wrappedOnce(client)],
    ];
  }

  // ---- tokens: made on one node, known on all; revoked on one, refused on all

  async #tokens(client) {
    const { history, name, nodes } = this.#round;
    while (!this.#stopped()) {
      const start = nowNs();
      const made = await this.#caller.send(this.#caller.nodeFor(client), 'POST', 'auth/token/create', {
        body: { policies: ['chaos'], ttl: '1h', no_parent: true },
      });
      const token = made.body?.auth?.client_token;
      if (made.outcome !== 'answered' || token === undefined) {
        if (made.outcome === 'answered')
          history.surprises.push(`a token was not made: ${made.status} ${JSON.stringify(made.body)}`);
        await this.#caller.rest(client, undefined);
        continue;
      }
      const key = `token-${name}-${client.number}-${++client.writes}`;
      const input = { kind: 'create', key };
      const output = { kind: 'created' };
      history.operations.push({ model: 'token', client: client.number, node: '-', input, start, end: nowNs(), output });
      for (let use = client.random.below(3); use >= 0; use--)
        await this.#use(client, key, token, this.#caller.nodeFor(client));
      // somebody goes on using it while it is revoked
      const user = this.#use(client, key, token, this.#caller.nodeFor(client));
      await this.#revoke(client, key, token, this.#caller.nodeFor(client));
      await user;
      this.#known.push({ key, token });
      await Promise.all(nodes().map((node) => this.#use(client, key, token, node)));
      await this.#caller.rest(client, 'done');
    }
  }

  /** After a restore: which of them are good again is the checker's to judge. */
  async readAll(client, node) {
    if (this.#round.history.restores.length === 0) return;
    for (const { key, token } of client.random.sample(this.#known, USED_AGAIN))
      await this.#use(client, key, token, node);
  }

  #use(client, key, token, node) {
    return this.#caller.record(
      client,
      node,
      'token',
      { kind: 'use', key },
      () => this.#caller.send(node, 'GET', 'auth/token/lookup-self', { token }),
      ({ status }) => {
        if (status === 200) return { kind: 'taken' };
        return status === 403 ? { kind: 'refused' } : undefined;
      },
    );
  }

  #revoke(client, key, token, node) {
    return this.#caller.record(
      client,
      node,
      'token',
      { kind: 'revoke', key },
      async () => {
        const answer = await this.#caller.send(node, 'POST', 'auth/token/revoke', { body: { token } });
        // it is made of several writes, of which the first takes the token's power away: 503 says that it can be
        // repeated, not that nothing was done
        return answer.outcome === 'refused' && answer.status === 503 ? { ...answer, outcome: 'unknown' } : answer;
      },
      ({ status }) => (status === 204 ? { kind: 'revoked' } : undefined),
    );
  }

  // ---- a wrapped answer is given out once

  async #wrappedOnce(client) {
    const { history } = this.#round;
    while (!this.#stopped()) {
      const start = nowNs();
      const wrapped = await this.#caller.send(this.#caller.nodeFor(client), 'POST', 'sys/wrapping/wrap', {
        body: { secret: 'x' },
        headers: { 'X-Vault-Wrap-TTL': '60s' },
      });
      const token = wrapped.body?.wrap_info?.token;
      if (token !== undefined) {
        const answers = await Promise.all(
          [0, 1, 2].map(() =>
            this.#caller.send(this.#caller.nodeFor(client), 'POST', 'sys/wrapping/unwrap', { token }),
          ),
        );
        const given = answers.filter(({ status }) => status === 200).length;
        // a restore may bring it back, or take it away
        const restored = history.mayHaveRestored(start, nowNs());
        if (given > 1 && !restored) history.surprises.push(`a wrapped answer was given out ${given} times`);
        // nobody got it though nobody can have lost it
        if (given === 0 && !restored && answers.every(({ outcome }) => outcome === 'answered'))
          history.surprises.push(
            `a wrapped answer was given to nobody: ${answers.map(({ status }) => status).join(' ')}`,
          );
        history.counts.ok += given;
      } else if (wrapped.outcome === 'answered')
        history.surprises.push(`nothing was wrapped: ${wrapped.status} ${JSON.stringify(wrapped.body)}`);
      await pause(client.random.between(50, 150));
    }
  }
}
