/**
 * No stale grant survives an acknowledged revocation on any node: what was taken back through one node is refused by
 * the others at once, in many rounds. Each grant is used on every node first, so that all of them have it in their caches.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Cluster, call } from '../cluster.mjs';

const ROUNDS = Number(process.env.COFFER_REVOCATION_ROUNDS ?? 15);

describe('what is taken back on one node', () => {
  let cluster;
  const ok = async (node, method, path, body) => {
    const answer = await cluster.request(node, method, path, { body });
    assert.ok(answer.status < 300, `${method} ${path} answered ${answer.status}: ${JSON.stringify(answer.body)}`);
    return answer.body;
  };
  /** On all nodes at once. */
  const everywhere = async (expected, method, path, options) => {
    const answers = await Promise.all(cluster.nodes.map(({ url }) => call(url, method, path, options)));
    const statuses = answers.map(({ status }) => status);
    assert.ok(
      statuses.every((status) => expected.includes(status)),
      `${method} ${path}: ${statuses.join(' ')} instead of ${expected.join(' or ')}`,
    );
    return answers;
  };
  const rounds = async (play, count = ROUNDS) => {
    for (let round = 0; round < count; round++)
      await play(round, cluster.nodes[round % 3], cluster.nodes[(round + 1) % 3]);
  };

  before(async () => {
    cluster = await Cluster.start({ nodes: 3 });
    const [node] = cluster.nodes;
    await ok(node, 'POST', 'sys/mounts/kv', { type: 'kv' });
    await ok(node, 'PUT', 'kv/a', { b: 'c' });
    await ok(node, 'PUT', 'sys/policies/acl/reader', {
      policy: 'path "kv/*" { capabilities = ["read"] }\npath "auth/token/create" { capabilities = ["update"] }',
    });
    await ok(node, 'POST', 'sys/auth/userpass', { type: 'userpass' });
    await ok(node, 'POST', 'sys/auth/approle', { type: 'approle' });
  });
  after(() => cluster?.stop());

  it('is refused by the others: a token, its children and its accessor', async () => {
    await rounds(async (round, maker, revoker) => {
      const { auth } = await ok(maker, 'POST', 'auth/token/create', { policies: ['reader'] });
      const made = await call(revoker.url, 'POST', 'auth/token/create', { token: auth.client_token, body: {} });
      const child = made.body.auth.client_token;
      await everywhere([200], 'GET', 'kv/a', { token: auth.client_token });
      await everywhere([200], 'GET', 'kv/a', { token: child });
      if (round % 2 === 0) await ok(revoker, 'POST', 'auth/token/revoke', { token: auth.client_token });
      else await ok(revoker, 'POST', 'auth/token/revoke-accessor', { accessor: auth.accessor });
      await everywhere([403], 'GET', 'kv/a', { token: auth.client_token });
      await everywhere([403], 'GET', 'auth/token/lookup-self', { token: auth.client_token });
      await everywhere([403], 'GET', 'kv/a', { token: child });
    });
  });

  it('is refused by the others: what a policy no longer allows', async () => {
    await ok(cluster.nodes[0], 'PUT', 'sys/policies/acl/changing', {
      policy: 'path "kv/*" { capabilities = ["read"] }',
    });
    const { auth } = await ok(cluster.nodes[0], 'POST', 'auth/token/create', { policies: ['changing'] });
    const token = auth.client_token;
    await rounds(async (round, maker, revoker) => {
      await ok(maker, 'PUT', 'sys/policies/acl/changing', { policy: 'path "kv/*" { capabilities = ["read"] }' });
      await everywhere([200], 'GET', 'kv/a', { token });
      if (round % 3 === 2) await ok(revoker, 'DELETE', 'sys/policies/acl/changing');
      else {
        const policy = `path "kv/*" { capabilities = ["${round % 3 === 0 ? 'deny' : 'list'}"] }`;
        await ok(revoker, 'PUT', 'sys/policies/acl/changing', { policy });
      }
      await everywhere([403], 'GET', 'kv/a', { token });
    });
  });

  it('is refused by the others: what an entity was granted', async () => {
    const [node] = cluster.nodes;
    await ok(node, 'POST', 'auth/userpass/users/eve', { password: 'pw', policies: 'default' });
    const { auth } = await ok(node, 'POST', 'auth/userpass/login/eve', { password: 'pw' });
    await rounds(async (round, maker, revoker) => {
      await ok(maker, 'POST', `identity/entity/id/${auth.entity_id}`, { policies: ['reader'] });
      await everywhere([200], 'GET', 'kv/a', { token: auth.client_token });
      await ok(revoker, 'POST', `identity/entity/id/${auth.entity_id}`, { policies: [] });
      await everywhere([403], 'GET', 'kv/a', { token: auth.client_token });
    });
  });

  it('is not there for the others: a mount', async () => {
    await rounds(async (round, maker, revoker) => {
      await ok(maker, 'POST', `sys/mounts/gone-${round}`, { type: 'kv' });
      await ok(revoker, 'PUT', `gone-${round}/a`, { b: 'c' });
      await everywhere([200], 'GET', `gone-${round}/a`, { token: cluster.token });
      await ok(revoker, 'DELETE', `sys/mounts/gone-${round}`);
      await everywhere([404], 'GET', `gone-${round}/a`, { token: cluster.token });
      await everywhere([404], 'PUT', `gone-${round}/a`, { token: cluster.token, body: { b: 'd' } });
    });
  });

  it('lets nobody in through the others: a user, a secret id, a role', async () => {
    await rounds(
      async (round, maker, revoker) => {
        await ok(maker, 'POST', 'auth/userpass/users/ann', { password: 'pw', policies: 'reader' });
        await everywhere([200], 'POST', 'auth/userpass/login/ann', { body: { password: 'pw' } });
        if (round % 2 === 0) await ok(revoker, 'DELETE', 'auth/userpass/users/ann');
        else await ok(revoker, 'POST', 'auth/userpass/users/ann/password', { password: 'other' });
        await everywhere([400], 'POST', 'auth/userpass/login/ann', { body: { password: 'pw' } });

        await ok(maker, 'POST', 'auth/approle/role/app', { token_policies: 'reader' });
        const role = (await ok(revoker, 'GET', 'auth/approle/role/app/role-id')).data.role_id;
        const secret = (await ok(maker, 'POST', 'auth/approle/role/app/secret-id')).data.secret_id;
        const login = { body: { role_id: role, secret_id: secret } };
        await everywhere([200], 'POST', 'auth/approle/login', login);
        if (round % 2 === 0)
          await ok(revoker, 'POST', 'auth/approle/role/app/secret-id/destroy', { secret_id: secret });
        else await ok(revoker, 'DELETE', 'auth/approle/role/app');
        await everywhere([400], 'POST', 'auth/approle/login', login);
        // hashing the passwords takes its time
      },
      Math.ceil(ROUNDS / 3),
    );
  });

  it('is refused although it was asked for all the time while it was taken back', async () => {
    await rounds(async (round, maker, revoker) => {
      const { auth } = await ok(maker, 'POST', 'auth/token/create', { policies: ['reader'] });
      let revoked = false;
      const late = [];
      const asking = cluster.nodes.map(async ({ id, url }) => {
        for (let after = 0; after < 3;) {
          const begunAfter = revoked;
          const { status } = await call(url, 'GET', 'kv/a', { token: auth.client_token });
          if (begunAfter) after++;
          if (begunAfter && status !== 403) late.push(`${id}: ${status}`);
        }
      });
      await ok(revoker, 'POST', 'auth/token/revoke', { token: auth.client_token });
      revoked = true;
      await Promise.all(asking);
      assert.deepEqual(late, [], `round ${round}`);
    });
  });
});
