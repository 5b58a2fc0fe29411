/** Backups of a cluster that serves, and back to them. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { Cluster, call, cleanEnvironment } from '../cluster.mjs';
import { coffer, eventually, pause } from '../program.mjs';

async function save(cluster, node) {
  const response = await fetch(`${node.url}/v1/sys/storage/raft/snapshot`, {
    headers: { 'X-Vault-Token': cluster.token },
    redirect: 'manual',
  });
  const bytes = Buffer.from(await response.arrayBuffer());
  assert.equal(response.status, 200, bytes.toString('latin1', 0, 500));
  return bytes;
}

async function restore(cluster, node, archive, { force = false, token = cluster.token } = {}) {
  const response = await fetch(`${node.url}/v1/sys/storage/raft/snapshot${force ? '-force' : ''}`, {
    method: 'POST',
    headers: { 'X-Vault-Token': token },
    body: archive,
    redirect: 'manual',
    signal: AbortSignal.timeout(60_000),
  });
  return { status: response.status, text: await response.text() };
}

describe('snapshots of a cluster of three', () => {
  let cluster;
  before(async () => {
    cluster = await Cluster.start({ nodes: 3 });
    assert.equal(
      (await cluster.request(cluster.nodes[0], 'POST', 'sys/mounts/kv', { body: { type: 'kv' } })).status,
      204,
    );
    for (let at = 0; at < 200; at++)
      await cluster.request(cluster.nodes[at % 3], 'PUT', `kv/k-${at}`, { body: { value: `before-${at}` } });
  });
  after(() => cluster?.stop());

  it('are saved while writes go on, through any node, and put every node back', async () => {
    const [first, second, third] = cluster.nodes;
    const policy = { body: { policy: 'path "kv/*" { capabilities = ["read"] }' } };
    await cluster.request(first, 'PUT', 'sys/policies/acl/reader', policy);
    const made = await cluster.request(second, 'POST', 'auth/token/create', { body: { policies: ['reader'] } });
    const reader = made.body.auth.client_token;
    let stop = false;
    const acknowledged = [];
    const failures = [];
    const writers = [0, 1, 2].map(async (writer) => {
      for (let count = 0; !stop; count++) {
        const path = `kv/load-${writer}-${count}`;
        const { status, body } = await cluster.request(cluster.nodes[writer], 'PUT', path, { body: { value: path } });
        if (status === 204) acknowledged.push({ path, at: Date.now() });
        else failures.push(`${status} ${JSON.stringify(body)}`);
      }
    });
    try {
      await eventually('load', () => Promise.resolve(acknowledged.length > 50));
      const begun = acknowledged.length;
      const archives = [];
      for (const node of cluster.nodes) archives.push(await save(cluster, node));
      await eventually('load', () => Promise.resolve(acknowledged.length > begun + 50));
      // What comes after the last of them is to be gone again.
      const [archive] = archives.slice(-1);
      await cluster.request(first, 'PUT', 'kv/k-7', { body: { value: 'changed' } });
      await cluster.request(first, 'DELETE', 'kv/k-8');
      await cluster.request(second, 'PUT', 'kv/new', { body: { value: 'new' } });
      await cluster.request(third, 'DELETE', 'sys/policies/acl/reader');
      await cluster.request(third, 'PUT', 'sys/policies/acl/later', policy);
      await cluster.request(first, 'POST', 'sys/mounts/later', { body: { type: 'kv' } });
      await cluster.request(second, 'POST', 'auth/token/revoke', { body: { token: reader } });
      const later = await cluster.request(third, 'POST', 'auth/token/create', { body: { policies: ['reader'] } });
      const [standby] = await cluster.standbys();
      const peers = await cluster.request(first, 'GET', 'sys/storage/raft/configuration');
      assert.deepEqual(await restore(cluster, standby, archive), { status: 204, text: '' });
      const { length: written } = acknowledged;
      await eventually('writes go on', () => Promise.resolve(acknowledged.length > written + 30));
      for (const node of cluster.nodes) {
        for (let at = 0; at < 200; at += 7) {
          const { body } = await cluster.request(node, 'GET', `kv/k-${at}`);
          assert.equal(body.data?.value, `before-${at}`, `${node.id} k-${at}`);
        }
        const value = async (path, token) => (await call(node.url, 'GET', path, { token })).status;
        assert.equal(await value('kv/k-8', cluster.token), 200);
        assert.equal(await value('kv/new', cluster.token), 404);
        assert.equal(await value('kv/k-1', reader), 200, 'the token that was revoked since is back');
        assert.equal(await value('kv/k-1', later.body.auth.client_token), 403, 'the token that was made since is gone');
        assert.equal(await value('sys/policies/acl/later', cluster.token), 404);
        assert.equal(await value('sys/policies/acl/reader', cluster.token), 200);
        assert.equal((await value('later/x', cluster.token)) === 404, true);
      }
      const now = await cluster.request(first, 'GET', 'sys/storage/raft/configuration');
      assert.deepEqual(now.body.data.config.servers, peers.body.data.config.servers);
    } finally {
      stop = true;
      await Promise.all(writers);
    }
    assert.deepEqual(failures, []);
  });

  it('survive the restart of every node', async () => {
    const archive = await save(cluster, cluster.nodes[0]);
    await cluster.request(cluster.nodes[1], 'PUT', 'kv/k-9', { body: { value: 'changed' } });
    assert.equal((await restore(cluster, await cluster.active(), archive)).status, 204);
    for (const node of cluster.nodes) await cluster.kill(node);
    for (const node of cluster.nodes) await cluster.launch(node);
    await Promise.all(cluster.nodes.map((node) => cluster.unseal(node)));
    await cluster.ready();
    for (const node of cluster.nodes)
      assert.equal((await cluster.request(node, 'GET', 'kv/k-9')).body.data.value, 'before-9');
  });

  it('are followed by a node that was down meanwhile', async () => {
    const archive = await save(cluster, cluster.nodes[0]);
    const [standby] = await cluster.standbys();
    await cluster.kill(standby);
    await cluster.request(await cluster.active(), 'PUT', 'kv/k-10', { body: { value: 'changed' } });
    assert.equal((await restore(cluster, await cluster.active(), archive)).status, 204);
    await cluster.restart(standby);
    await cluster.ready();
    assert.equal((await cluster.request(standby, 'GET', 'kv/k-10')).body.data.value, 'before-10');
  });

  it('are refused where something is wrong with them, and nothing changes', async () => {
    const archive = await save(cluster, cluster.nodes[0]);
    await cluster.request(cluster.nodes[0], 'PUT', 'kv/k-11', { body: { value: 'kept' } });
    const flipped = gunzipSync(archive);
    flipped[flipped.length >> 1] ^= 1;
    const traversing = gunzipSync(archive);
    traversing.write('../meta.json\0', 0);
    checksum(traversing);
    const cases = [
      [Buffer.from('{}'), 400, /gzip/],
      [Buffer.alloc(0), 400, /gzip|incomplete/],
      [archive.subarray(0, archive.length - 20), 400, /gzip/],
      [gzipSync(flipped), 400, /hash check failed/],
      [gzipSync(traversing), 400, /no snapshot has/],
      [Buffer.concat([gzipSync(gunzipSync(archive)), gzipSync(Buffer.alloc(32 << 20))]), 413, /unpacks to more/],
    ];
    const before = await cluster.request(cluster.nodes[0], 'GET', 'sys/storage/raft/configuration');
    for (const [bytes, status, text] of cases) {
      for (const node of cluster.nodes) {
        for (const force of [false, true]) {
          const answer = await restore(cluster, node, bytes, { force });
          assert.equal(answer.status, status, answer.text);
          assert.match(answer.text, text);
        }
      }
    }
    const now = await cluster.request(cluster.nodes[0], 'GET', 'sys/storage/raft/configuration');
    assert.deepEqual(now.body.data.config, before.body.data.config, 'nothing came into the log');
    for (const node of cluster.nodes)
      assert.equal((await cluster.request(node, 'GET', 'kv/k-11')).body.data.value, 'kept');
  });

  it('need a policy: to save, that of the path; to restore, sudo besides', async () => {
    const policy = 'path "sys/storage/raft/snapshot" { capabilities = ["read", "update"] }';
    await cluster.request(cluster.nodes[0], 'PUT', 'sys/policies/acl/backup', { body: { policy } });
    const made = await cluster.request(cluster.nodes[0], 'POST', 'auth/token/create', {
      body: { policies: ['backup'] },
    });
    const token = made.body.auth.client_token;
    for (const node of cluster.nodes) {
      const archive = await save({ token }, node);
      assert.equal((await restore(cluster, node, archive, { token })).status, 403);
      assert.equal((await restore(cluster, node, archive, { token: 'none' })).status, 403);
      assert.equal((await call(node.url, 'GET', 'sys/storage/raft/snapshot')).status, 403);
    }
  });

  it('are recorded by the audit devices of the state before and after, and cost a use of the token', async () => {
    const [first, second, third] = cluster.nodes;
    const file = join(mkdtempSync(join(cluster.folder, 'audit-')), 'audit.log');
    const enabled = await cluster.request(first, 'PUT', 'sys/audit/file', {
      body: { type: 'file', options: { file_path: file } },
    });
    assert.equal(enabled.status, 204);
    const policy = 'path "sys/storage/raft/snapshot" { capabilities = ["update", "sudo"] }';
    await cluster.request(first, 'PUT', 'sys/policies/acl/restorer', { body: { policy } });
    const archive = await save(cluster, second);
    const made = await cluster.request(first, 'POST', 'auth/token/create', {
      body: { policies: ['restorer'], num_uses: 1 },
    });
    const token = made.body.auth.client_token;
    assert.equal((await restore(cluster, third, archive, { token })).status, 204);
    assert.equal((await restore(cluster, third, archive, { token })).status, 403);
    const lines = readFileSync(file, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
      .filter(({ request }) => request.path === 'sys/storage/raft/snapshot' && request.operation === 'update');
    assert.deepEqual(
      lines.slice(0, 2).map(({ type }) => type),
      ['request', 'response'],
    );
    assert.equal((await cluster.request(first, 'DELETE', 'sys/audit/file')).status, 204);
  });

  it('come to all or nothing when the active node is killed in the middle', async () => {
    const small = await save(cluster, cluster.nodes[0]);
    const filler = 'x'.repeat(200_000);
    for (let at = 0; at < 40; at++)
      await cluster.request(cluster.nodes[at % 3], 'PUT', `kv/big-${at}`, { body: { value: filler } });
    const big = await save(cluster, cluster.nodes[0]);
    for (let round = 0; round < 4; round++) {
      assert.equal((await restore(cluster, await cluster.active(), small)).status, 204);
      const active = await cluster.active();
      const [standby] = await cluster.standbys();
      const restoring = restore(cluster, standby, big).catch((error) => ({ status: 0, text: String(error) }));
      await pause(60 * round);
      await cluster.kill(active);
      const answer = await restoring;
      await cluster.restart(active);
      await cluster.ready();
      const found = new Set();
      for (const node of cluster.nodes) {
        const { body } = await cluster.request(node, 'LIST', 'kv');
        found.add(body.data.keys.filter((key) => key.startsWith('big-')).length);
      }
      assert.equal(found.size, 1, `the nodes differ: ${[...found]}`);
      const [count] = found;
      assert.ok(count === 0 || count === 40, `${count} of 40`);
      if (answer.status === 204) assert.equal(count, 40, 'what was acknowledged is there');
      else assert.ok(answer.status === 0 || answer.status >= 500, `${answer.status} ${answer.text}`);
    }
  });
});

/** Of the first header of a tar file. */
function checksum(tar) {
  tar.write('        ', 148);
  let sum = 0;
  for (const byte of tar.subarray(0, 512)) sum += byte;
  tar.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
}

describe('a snapshot of another cluster', () => {
  let old;
  let archive;
  before(async () => {
    old = await Cluster.start({ nodes: 1 });
    await old.request(old.nodes[0], 'POST', 'sys/mounts/kv', { body: { type: 'kv' } });
    await old.request(old.nodes[0], 'PUT', 'kv/a', { body: { value: 'of the old cluster' } });
    archive = await save(old, old.nodes[0]);
  });
  after(() => old?.stop());

  for (const nodes of [1, 3]) {
    it(`is taken by a new one of ${nodes} by force only, and then wants the old shares`, async () => {
      const cluster = await Cluster.start({ nodes });
      try {
        const node = cluster.nodes.at(-1);
        const refused = await restore(cluster, node, archive);
        assert.equal(refused.status, 400);
        assert.match(refused.text, /different set of unseal keys; use the snapshot-force API/);
        assert.deepEqual(await restore(cluster, node, archive, { force: true }), { status: 204, text: '' });
        await eventually('every node is sealed', async () => {
          const states = await Promise.all(cluster.nodes.map(({ url }) => call(url, 'GET', 'sys/seal-status')));
          return states.every(({ body }) => body.sealed && body.initialized);
        });
        // The shares of the cluster that ran here are of no use any more.
        const wrong = await call(node.url, 'PUT', 'sys/unseal', { body: { key: cluster.keys[0] } });
        assert.equal(wrong.status, 400);
        cluster.keys = old.keys;
        cluster.token = old.token;
        await Promise.all(cluster.nodes.map((each) => cluster.unseal(each)));
        await cluster.ready();
        for (const each of cluster.nodes) {
          assert.equal((await cluster.request(each, 'GET', 'kv/a')).body.data.value, 'of the old cluster');
          assert.equal((await cluster.request(each, 'PUT', `kv/${each.id}`, { body: { a: 'b' } })).status, 204);
        }
        const { body } = await cluster.request(node, 'GET', 'sys/storage/raft/configuration');
        assert.deepEqual(
          body.data.config.servers.map(({ node_id: id }) => id),
          cluster.nodes.map(({ id }) => id),
        );
        const again = await save(cluster, node);
        assert.notEqual(createHash('sha256').update(again).digest('hex'), '');
        assert.equal((await restore(cluster, node, again)).status, 204);
      } finally {
        await cluster.stop();
      }
    });
  }
});

describe('the command line', () => {
  let cluster;
  let folder;
  const run = (args, env = {}) =>
    new Promise((resolve) => {
      const settings = { ...cleanEnvironment(), VAULT_ADDR: cluster.nodes[0].url, VAULT_TOKEN: cluster.token, ...env };
      execFile(coffer, args, { env: settings }, (error, stdout, stderr) =>
        resolve({ code: error ? error.code : 0, stdout, stderr }),
      );
    });
  before(async () => {
    cluster = await Cluster.start({ nodes: 1 });
    folder = mkdtempSync(join(tmpdir(), 'coffer-snapshot-'));
    await cluster.request(cluster.nodes[0], 'POST', 'sys/mounts/kv', { body: { type: 'kv' } });
    await cluster.request(cluster.nodes[0], 'PUT', 'kv/a', { body: { value: 'saved' } });
  });
  after(async () => {
    await cluster?.stop();
    if (folder) rmSync(folder, { recursive: true, force: true });
  });

  it('saves, inspects and restores', async () => {
    const file = join(folder, 'raft.snap');
    const saved = await run(['operator', 'raft', 'snapshot', 'save', file]);
    assert.deepEqual(saved, { code: 0, stdout: '', stderr: '' });
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const inspected = await run(['operator', 'raft', 'snapshot', 'inspect', '-format=json', file]);
    const { Meta: meta, StatsKV: shares, TotalCountKV: count } = JSON.parse(inspected.stdout);
    assert.equal(meta.Version, 1);
    assert.ok(meta.Index > 0 && meta.Size > 1000);
    assert.ok(shares.some(({ Name }) => Name === 'core/keyring'));
    assert.equal(
      shares.reduce((sum, { Count }) => sum + Count, 0),
      count,
    );
    await cluster.request(cluster.nodes[0], 'PUT', 'kv/a', { body: { value: 'later' } });
    const restored = await run(['operator', 'raft', 'snapshot', 'restore', file]);
    assert.deepEqual(restored, { code: 0, stdout: '', stderr: '' });
    assert.equal((await cluster.request(cluster.nodes[0], 'GET', 'kv/a')).body.data.value, 'saved');
  });

  it('keeps the former file where what it got is not the whole of a snapshot', async () => {
    const file = join(folder, 'kept.snap');
    writeFileSync(file, 'the former one');
    const whole = await save(cluster, cluster.nodes[0]);
    const answers = [
      (response) => response.end(whole.subarray(0, whole.length - 30)),
      (response) => {
        response.write(whole.subarray(0, 2000));
        setTimeout(() => response.destroy(), 100);
      },
    ];
    for (const answer of answers) {
      const server = createServer((_, response) => answer(response));
      await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
      const address = `http://127.0.0.1:${server.address().port}`;
      const { code, stderr } = await run(['operator', 'raft', 'snapshot', 'save', file], {
        VAULT_ADDR: address,
        VAULT_MAX_RETRIES: '0',
      });
      server.close();
      assert.equal(code, 2);
      assert.match(stderr, /Error taking the snapshot: /);
      assert.equal(readFileSync(file, 'utf8'), 'the former one');
    }
    assert.deepEqual(readdirSync(folder).sort(), ['kept.snap', 'raft.snap']);
    const { code, stderr } = await run(['operator', 'raft', 'snapshot', 'inspect', file]);
    assert.deepEqual([code, stderr.trim()], [2, 'Error inspecting the snapshot: this is no complete gzip file']);
  });
});

describe('automatic snapshots', () => {
  let cluster;
  let folder;
  const path = 'sys/storage/raft/snapshot-auto';
  before(async () => {
    cluster = await Cluster.start({ nodes: 3 });
    folder = mkdtempSync(join(tmpdir(), 'coffer-snapshot-'));
  });
  after(async () => {
    await cluster?.stop();
    if (folder) rmSync(folder, { recursive: true, force: true });
  });

  it('are taken by the active node, read back, and kept up to a number', async () => {
    const kept = join(folder, 'kept');
    const written = await cluster.request(cluster.nodes[0], 'POST', `${path}/config/often`, {
      body: { interval: '1s', retain: 3, path_prefix: kept, storage_type: 'local', file_prefix: 'nightly' },
    });
    assert.equal(written.status, 204, JSON.stringify(written.body));
    const names = () => (existsSync(kept) ? readdirSync(kept).filter((name) => name.endsWith('.snap')) : []);
    const first = await eventually('a snapshot', async () => names()[0]);
    await eventually('the first is replaced', async () => names().length === 3 && !names().includes(first));
    for (const name of names()) assert.match(name, /^nightly-\d{19}\.snap$/);
    for (const node of cluster.nodes) {
      const { body } = await cluster.request(node, 'GET', `${path}/status/often`);
      assert.equal(body.data.consecutive_errors, 0);
      assert.equal(body.data.last_snapshot_error, '');
      assert.ok(body.data.last_snapshot_url.startsWith(kept));
      assert.ok(Date.parse(body.data.next_snapshot_start) > Date.parse(body.data.last_snapshot_start));
      const config = await cluster.request(node, 'GET', `${path}/config/often`);
      assert.deepEqual(config.body.data, {
        interval: 1,
        retain: 3,
        path_prefix: kept,
        file_prefix: 'nightly',
        storage_type: 'local',
        local_max_space: 0,
      });
      const list = await cluster.request(node, 'LIST', `${path}/config`);
      assert.deepEqual(list.body.data.keys, ['often']);
    }
    // The next active node goes on with it.
    await cluster.request(await cluster.active(), 'PUT', 'sys/step-down');
    await cluster.ready();
    const newest = names().sort().at(-1);
    await eventually('it goes on', async () => !names().includes(newest));
    const archive = readFileSync(join(kept, names().sort().at(-1)));
    assert.equal((await restore(cluster, cluster.nodes[1], archive)).status, 204);
    assert.equal((await cluster.request(cluster.nodes[0], 'DELETE', `${path}/config/often`)).status, 204);
    assert.equal((await cluster.request(cluster.nodes[0], 'GET', `${path}/status/often`)).status, 404);
  });

  it('say what went wrong, and are tried again', async () => {
    const file = join(folder, 'no-folder');
    writeFileSync(file, '');
    await cluster.request(cluster.nodes[0], 'POST', `${path}/config/broken`, {
      body: { interval: '1s', path_prefix: file, storage_type: 'local' },
    });
    const status = await eventually('a failure is told', async () => {
      const { body } = await cluster.request(cluster.nodes[0], 'GET', `${path}/status/broken`);
      return body.data?.consecutive_errors >= 2 && body.data;
    });
    assert.match(status.last_snapshot_error, /EEXIST|ENOTDIR/);
    assert.equal(status.last_snapshot_url, '');
    await cluster.request(cluster.nodes[0], 'DELETE', `${path}/config/broken`);
  });

  it('are not configured in ways that cannot work', async () => {
    const good = { interval: '1h', path_prefix: '/tmp/x', storage_type: 'local' };
    for (const [change, field] of [
      [{ interval: '0s' }, 'interval'],
      [{ interval: undefined }, 'interval'],
      [{ retain: 0 }, 'retain'],
      [{ path_prefix: 'relative' }, 'path_prefix'],
      [{ path_prefix: '/tmp/../etc' }, 'path_prefix'],
      [{ path_prefix: undefined }, 'path_prefix'],
      [{ file_prefix: '../x' }, 'file_prefix'],
      [{ storage_type: 'azure-blob' }, 'storage_type'],
      [{ local_max_space: -1 }, 'local_max_space'],
      [{ storage_type: 'aws-s3', path_prefix: 'x' }, 'aws_s3_bucket'],
      [{ storage_type: 'aws-s3', path_prefix: 'x', aws_s3_bucket: 'b' }, 'aws_s3_region'],
    ]) {
      const { status, body } = await cluster.request(cluster.nodes[0], 'POST', `${path}/config/bad`, {
        body: { ...good, ...change },
      });
      assert.equal(status, 400, JSON.stringify(change));
      assert.match(body.errors[0], new RegExp(`^${field}: expected`));
    }
    assert.equal((await cluster.request(cluster.nodes[0], 'GET', `${path}/config/bad`)).status, 404);
  });
});
