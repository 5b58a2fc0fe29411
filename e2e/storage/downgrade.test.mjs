/** A database that a newer program has written to: an older one leaves it alone. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { runEtcd, runPostgresql } from '../../libs/testing/dist/databases/index.js';
import { Cluster, ServerProcess, call } from '../cluster.mjs';
import { eventually, pause } from '../program.mjs';

const KEY = 'core/newest-program';
const NEWER = '{"version":"99.1.0","format":99}';

const base64 = (text) => Buffer.from(text).toString('base64');

/** What a test does to a database behind the program's back. */
const databases = {
  PostgreSQL: async () => {
    const server = await runPostgresql();
    const row = `coffer_kv_store WHERE head = convert_to('${KEY}', 'UTF8')`;
    return {
      server,
      storage: () => `storage "postgresql" {\n  connection_url = "${server.url}"\n  ha_enabled = true\n}\n`,
      holds: (text) => {
        server.run(`DO $$ BEGIN ASSERT (SELECT convert_from(value, 'UTF8') FROM ${row}) LIKE '${text}'; END $$`);
      },
      put: (text) => server.run(`UPDATE ${row.replace('WHERE', `SET value = convert_to('${text}', 'UTF8') WHERE`)}`),
    };
  },
  etcd: async () => {
    const server = await runEtcd();
    const ask = async (path, body) =>
      (await fetch(`${server.url}/v3/kv/${path}`, { method: 'POST', body: JSON.stringify(body) })).json();
    const key = base64(`/coffer/data/${KEY}`);
    return {
      server,
      storage: () => `storage "etcd" {\n  address = "${server.url}"\n  ha_enabled = true\n}\n`,
      holds: async (text) => {
        const { kvs } = await ask('range', { key });
        assert.match(Buffer.from(kvs[0].value, 'base64').toString(), new RegExp(text.replaceAll('%', '.*')));
      },
      put: (text) => ask('put', { key, value: base64(text) }),
    };
  },
};

for (const [name, start] of Object.entries(databases))
  describe(`a ${name} that a newer program has written to`, () => {
    let database;
    let cluster;
    before(async () => {
      database = await start();
      cluster = await Cluster.start({ nodes: 2, storage: database.storage });
    });
    after(async () => {
      await cluster?.stop();
      await database?.server.program.remove();
    });

    it('knows the newest program', () => database.holds('{"version":"%","format":1}'));

    it('is not led by an older one, nor opened', async () => {
      const active = await cluster.active();
      const [other] = cluster.nodes.filter((node) => node !== active);
      await database.put(NEWER);
      await cluster.kill(active);
      await eventually('it says why it does not lead', () =>
        /a downgrade that cannot work. Start Coffer 99\.1\.0 or later/.test(other.process.log),
      );
      await pause(500);
      assert.notEqual((await call(other.url, 'GET', 'sys/health')).status, 200);
      const refused = new ServerProcess([...cluster.command, `-config=${active.configFile}`], active.process.logFile);
      await eventually('it ends', () => !refused.alive);
      assert.match(
        refused.log,
        /the data in this database was last written by Coffer 99\.1\.0 \(format 99\), and this is Coffer .* reads formats up to 1/,
      );
      await database.holds('{"version":"99.1.0","format":99}');
    });
  });
