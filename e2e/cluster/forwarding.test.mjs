/** What a standby passes on: whose the request is, which state it must see, and what becomes of it while nobody leads. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Cluster, call } from '../cluster.mjs';
import { eventually } from '../program.mjs';

const INDEX = 'x-vault-index';

describe('a standby', () => {
  let cluster;
  before(async () => {
    cluster = await Cluster.start({ nodes: 3 });
    const active = await cluster.active();
    for (const [path, body] of [
      ['sys/mounts/kv', { type: 'kv' }],
      ['sys/auth/approle', { type: 'approle' }],
      ['sys/audit/file', { type: 'file', options: { file_path: join(cluster.folder, 'audit.log') } }],
    ]) {
      const { status } = await cluster.request(active, 'POST', path, { body });
      assert.equal(status, 204);
    }
  });
  after(() => cluster?.stop());

  /** From another address of this machine. */
  const from = (localAddress, node, method, path, { token, body } = {}) =>
    new Promise((resolve, reject) => {
      const sent = httpRequest(
        `${node.url}/v1/${path}`,
        { method, localAddress, headers: token ? { 'x-vault-token': token } : {} },
        (answer) => {
          let text = '';
          answer.on('data', (chunk) => (text += chunk));
          answer.on('end', () => resolve({ status: answer.statusCode, body: text && JSON.parse(text) }));
        },
      );
      sent.on('error', reject);
      sent.end(body && JSON.stringify(body));
    });

  it("passes the client's address on: for tokens that are bound to it, and for the audit log", async () => {
    const [standby] = await cluster.standbys();
    const ok = async (method, path, body) => (await cluster.request(standby, method, path, { body })).body;
    await ok('POST', 'auth/approle/role/bound', { token_policies: 'default', token_strictly_bind_ip: true });
    const role = (await ok('GET', 'auth/approle/role/bound/role-id')).data.role_id;
    const secret = (await ok('POST', 'auth/approle/role/bound/secret-id')).data.secret_id;
    const login = await from('127.0.0.7', standby, 'POST', 'auth/approle/login', {
      body: { role_id: role, secret_id: secret },
    });
    assert.equal(login.status, 200);
    const token = login.body.auth.client_token;
    for (const node of cluster.nodes) {
      assert.equal((await from('127.0.0.7', node, 'GET', 'auth/token/lookup-self', { token })).status, 200);
      assert.equal((await from('127.0.0.1', node, 'GET', 'auth/token/lookup-self', { token })).status, 403);
      // a write, which a standby forwards
      assert.equal((await from('127.0.0.7', node, 'PUT', 'cubbyhole/a', { token, body: { b: 'c' } })).status, 204);
      assert.equal((await from('127.0.0.1', node, 'PUT', 'cubbyhole/a', { token, body: { b: 'c' } })).status, 403);
    }
    const entries = readFileSync(join(cluster.folder, 'audit.log'), 'utf8').trim().split('\n').map(JSON.parse);
    const logins = entries.filter(({ request }) => request?.path === 'auth/approle/login');
    assert.ok(logins.length > 0);
    for (const { request } of logins) assert.equal(request.remote_address, '127.0.0.7');
  });

  it('shows what was written elsewhere to who names it, without asking the leader', async () => {
    for (let round = 0; round < 50; round++) {
      const writer = cluster.nodes[round % 3];
      const reader = cluster.nodes[(round + 1) % 3];
      const written = await cluster.request(writer, 'PUT', 'kv/seen', { body: { round } });
      assert.equal(written.status, 204);
      const index = written.headers.get(INDEX);
      assert.match(Buffer.from(index ?? '', 'base64').toString(), /^v1:[0-9a-f-]{36}:\d+:\d+:[0-9a-f]{64}$/);
      const headers = { [INDEX]: index, 'X-Vault-Inconsistent': 'allow-stale' };
      const read = await cluster.request(reader, 'GET', 'kv/seen', { headers });
      assert.deepEqual([read.status, read.body.data?.round], [200, round]);
      const forwarded = await cluster.request(reader, 'GET', 'kv/seen', {
        headers: { [INDEX]: index, 'X-Vault-Inconsistent': 'forward-active-node' },
      });
      assert.deepEqual([forwarded.status, forwarded.body.data?.round], [200, round]);
    }
    const made = Buffer.from('v1:00000000-0000-0000-0000-000000000000:9:9:00').toString('base64');
    for (const node of cluster.nodes)
      assert.equal((await cluster.request(node, 'GET', 'kv/seen', { headers: { [INDEX]: made } })).status, 400);
  });

  it('lets the active node answer who asks for that, and sends on who wants nothing forwarded', async () => {
    const [standby] = await cluster.standbys();
    const headers = { 'X-Vault-Forward': 'active-node' };
    assert.equal((await cluster.request(standby, 'GET', 'kv/seen', { headers })).status, 200);
    const redirected = await cluster.request(standby, 'PUT', 'kv/seen', {
      body: { a: 'b' },
      headers: { 'X-Vault-No-Request-Forwarding': '1' },
    });
    assert.equal(redirected.status, 307);
    // whichever leads by now
    assert.ok(cluster.nodes.some(({ url }) => redirected.headers.get('location') === `${url}/v1/kv/seen`));
  });

  it('answers while the active node hangs: by the next one, or that the outcome is unknown', async () => {
    const [standby] = await cluster.standbys();
    const active = await cluster.active();
    active.process.signal('SIGSTOP');
    try {
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, number) =>
          cluster.request(standby, 'PUT', `kv/hung-${number}`, { body: { number }, timeoutMs: 20_000 }),
        ),
      );
      for (const { status, headers, body } of answers) {
        if (status === 204) continue;
        assert.equal(status, 503, JSON.stringify(body));
        assert.equal(headers.get('retry-after'), '1');
      }
      const again = await cluster.request(standby, 'PUT', 'kv/hung', { body: { a: 'b' }, timeoutMs: 20_000 });
      assert.equal(again.status, 204);
    } finally {
      active.process.signal('SIGCONT');
    }
    await cluster.ready();
  });

  it('holds only so much while nobody leads, and tells the others when to come again', async () => {
    const [first, second, third] = cluster.nodes;
    await cluster.kill(second);
    await cluster.kill(third);
    const before = first.process.residentMiB;
    const body = { value: 'x'.repeat(1024 * 1024) };
    const statuses = [];
    let atOnce = 0;
    let most = before;
    const watch = setInterval(() => (most = Math.max(most, first.process.residentMiB)), 50);
    await Promise.all(
      Array.from({ length: 150 }, async (_, number) => {
        const begunMs = performance.now();
        const answer = await call(first.url, 'PUT', `kv/flood-${number}`, {
          token: cluster.token,
          body,
          timeoutMs: 60_000,
        });
        statuses.push(answer.status);
        assert.equal(answer.status, 503);
        assert.equal(answer.headers.get('retry-after'), '1');
        if (/too many requests/.test(JSON.stringify(answer.body)) && performance.now() - begunMs < 8000) atOnce++;
      }),
    );
    clearInterval(watch);
    assert.equal(statuses.length, 150);
    assert.ok(atOnce > 50, `${atOnce} were told at once`);
    assert.ok(most - before < 700, `${Math.round(most - before)} MiB more memory`);
    console.log(`a flood of 150 MiB took ${Math.round(most - before)} MiB, ${atOnce} were told at once`);
    await cluster.restart(second);
    await cluster.restart(third);
    await cluster.ready();
    await eventually('it serves again', async () => {
      const { status } = await cluster.request(first, 'PUT', 'kv/after', { body: { a: 'b' } });
      return status === 204;
    });
  });
});
