/** Data moves from storage to storage, and nothing is lost on the way. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { runEtcd, runPostgresql } from '../../libs/testing/dist/databases/index.js';
import { Cluster, cleanEnvironment } from '../cluster.mjs';
import { coffer, eventually } from '../program.mjs';

describe('operator migrate', () => {
  let postgresql;
  let etcd;
  let folder;
  let keys;
  let token;
  const paths = Array.from({ length: 300 }, (_, index) => `kv/folder-${index % 7}/k${index}`);

  const raftBlock = (name) => `  path    = "${join(folder, name)}"\n  node_id = "node-1"\n`;
  const blocks = {
    first: () => ['raft', raftBlock('first')],
    postgresql: () => ['postgresql', `  connection_url = "${postgresql.url}"\n  ha_enabled = true\n`],
    other: () => [
      'postgresql',
      `  connection_url = "${postgresql.url}"\n  table = "other"\n  ha_table = "other_locks"\n`,
    ],
    etcd: () => ['etcd', `  address = "${etcd.url}"\n  ha_enabled = true\n`],
    last: () => ['raft', raftBlock('last')],
  };

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'coffer-migrate-'));
    postgresql = await runPostgresql();
    etcd = await runEtcd();
  });
  after(async () => {
    await postgresql?.program.remove();
    await etcd?.program.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  /** A server of one node on a storage, unsealed with the keys of the first. */
  async function serve(place, initialise = false) {
    const [kind, body] = blocks[place]();
    const cluster = await Cluster.start({ nodes: 1, initialise, storage: () => `storage "${kind}" {\n${body}}\n` });
    if (!initialise) {
      cluster.keys = keys;
      cluster.token = token;
      await cluster.unseal(cluster.nodes[0]);
      await cluster.ready();
    }
    return { cluster, node: cluster.nodes[0] };
  }

  function migrate(from, to, ...flags) {
    const [[sourceKind, source], [destinationKind, destination]] = [blocks[from](), blocks[to]()];
    const file = join(folder, `${from}-${to}.hcl`);
    writeFileSync(
      file,
      `storage_source "${sourceKind}" {\n${source}}\nstorage_destination "${destinationKind}" {\n${destination}}\n` +
        'cluster_addr = "https://127.0.0.1:8201"\n',
    );
    return run(['operator', 'migrate', `-config=${file}`, ...flags]);
  }

  /** Runs the command line to its end. */
  function run(args) {
    const child = spawn(coffer, args, { env: cleanEnvironment() });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (part) => {
        output += part;
      });
    const done = new Promise((resolve) => child.once('close', (code) => resolve({ code, output })));
    return { child, done };
  }

  /** Starts a server that is expected to end by itself. */
  function start(place) {
    const [kind, body] = blocks[place]();
    const file = join(folder, `server-${place}.hcl`);
    writeFileSync(
      file,
      `storage "${kind}" {\n${body}}\nlistener "tcp" {\n  address = "127.0.0.1:0"\n  tls_disable = true\n}\n`,
    );
    return run(['server', `-config=${file}`]).done;
  }

  async function checkAll({ cluster, node }) {
    for (let at = 0; at < paths.length; at += 50) {
      const some = paths.slice(at, at + 50);
      const found = await Promise.all(some.map((path) => cluster.request(node, 'GET', path)));
      assert.deepEqual(
        found.map(({ body }) => body.data?.path),
        some,
      );
    }
    assert.equal((await cluster.request(node, 'LIST', 'kv/')).body.data.keys.length, 7);
  }

  it('takes everything from raft to PostgreSQL', async () => {
    const { cluster, node } = await serve('first', true);
    ({ keys, token } = cluster);
    await cluster.request(node, 'POST', 'sys/mounts/kv', { body: { type: 'kv' } });
    for (let at = 0; at < paths.length; at += 50)
      await Promise.all(paths.slice(at, at + 50).map((path) => cluster.request(node, 'PUT', path, { body: { path } })));
    const refused = await migrate('first', 'postgresql').done;
    assert.equal(refused.code, 1, 'a folder that a server uses');
    await cluster.stop();
    const { code, output } = await migrate('first', 'postgresql').done;
    assert.equal(code, 0, output);
    assert.match(output, /Success! All of the keys have been migrated\./);
    const moved = await serve('postgresql');
    await checkAll(moved);
    const again = await migrate('postgresql', 'etcd').done;
    assert.equal(again.code, 1);
    assert.match(again.output, /a server uses the storage "postgresql"/);
    assert.equal((await moved.cluster.request(moved.node, 'PUT', 'kv/since', { body: { a: 'b' } })).status, 204);
    assert.equal((await moved.cluster.request(moved.node, 'DELETE', 'kv/since')).status, 204);
    await moved.cluster.stop();
  });

  it('refuses a destination that holds data, and one that is the source', async () => {
    const full = await migrate('first', 'postgresql').done;
    assert.equal(full.code, 1);
    assert.match(full.output, /storage_destination holds data already/);
    const same = await migrate('postgresql', 'postgresql').done;
    assert.match(same.output, /are the same place/);
    const empty = await migrate('other', 'etcd').done;
    assert.match(empty.output, /storage_source holds no data/);
  });

  it('goes on where it was stopped, and lets no server start meanwhile', async () => {
    const first = migrate('postgresql', 'etcd', '-max-parallel=1');
    await eventually('it has begun', async () => {
      const answer = await fetch(`${etcd.url}/v3/kv/range`, {
        method: 'POST',
        body: JSON.stringify({
          key: Buffer.from('/coffer/data/core/migration').toString('base64'),
        }),
      });
      return (await answer.json()).kvs?.length > 0;
    });
    first.child.kill('SIGKILL');
    await first.done;
    for (const place of ['postgresql', 'etcd']) {
      const refused = await start(place);
      assert.equal(refused.code, 1);
      assert.match(refused.output, /this storage is being migrated/);
    }
    const { code, output } = await migrate('postgresql', 'etcd').done;
    assert.equal(code, 0, output);
    const moved = await serve('etcd');
    await checkAll(moved);
    await moved.cluster.stop();
  });

  it('can be given up: what was copied is removed', async () => {
    const first = migrate('etcd', 'other', '-max-parallel=1');
    await eventually('it has begun', async () => {
      try {
        postgresql.run(`DO $$ BEGIN ASSERT (SELECT count(*) FROM other) > 0; END $$`);
        return true;
      } catch {
        return false;
      }
    });
    first.child.kill('SIGKILL');
    await first.done;
    const { code, output } = await migrate('etcd', 'other', '-reset').done;
    assert.equal(code, 0, output);
    postgresql.run(`DO $$ BEGIN ASSERT (SELECT count(*) FROM other) = 0; END $$`);
    const moved = await serve('etcd');
    await moved.cluster.stop();
  });

  it('takes everything back from etcd to raft', async () => {
    const { code, output } = await migrate('etcd', 'last').done;
    assert.equal(code, 0, output);
    const back = await serve('last');
    await checkAll(back);
    assert.equal((await back.cluster.request(back.node, 'PUT', 'kv/last', { body: { a: 'b' } })).status, 204);
    await back.cluster.stop();
  });
});
