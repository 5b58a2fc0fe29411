/** A database that is reached by TLS alone, and lets in who shows a certificate. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { TestAuthority, runPostgresql } from '../../libs/testing/dist/databases/index.js';
import { Cluster } from '../cluster.mjs';

describe('PostgreSQL by TLS', () => {
  let authority;
  let other;
  let server;
  let cluster;
  let urlWith;
  before(async () => {
    authority = await TestAuthority.create();
    other = await TestAuthority.create();
    server = await runPostgresql(undefined, await authority.issue('server'));
    const own = await authority.issue('coffer');
    urlWith = ({ caFile = own.caFile, certFile = own.certFile, keyFile = own.keyFile, host = '127.0.0.1' } = {}) =>
      `postgres://coffer@${host}:${server.port}/postgres?sslmode=verify-full&sslrootcert=${caFile}&sslcert=${certFile}&sslkey=${keyFile}`;
    cluster = await Cluster.start({
      nodes: 2,
      storage: () => `storage "postgresql" {\n  connection_url = "${urlWith()}"\n  ha_enabled     = true\n}\n`,
    });
  });
  after(async () => {
    await cluster?.stop();
    await server?.program.remove();
    authority?.remove();
    other?.remove();
  });

  /** How a server that cannot use its storage ends. */
  async function ends(connectionUrl) {
    const file = join(cluster.folder, 'refused.hcl');
    writeFileSync(
      file,
      `storage "postgresql" {\n  connection_url = "${connectionUrl}"\n  max_connect_retries = 0\n}\n` +
        'listener "tcp" {\n  address = "127.0.0.1:0"\n  tls_disable = true\n}\n',
    );
    const { code, stdout, stderr } = await cluster.cli(cluster.nodes[0], ['server', `-config=${file}`]);
    assert.equal(code, 1);
    return stdout + stderr;
  }

  it('serves nodes that verify it and show a certificate, on every connection', async () => {
    const [first, second] = cluster.nodes;
    assert.equal((await cluster.request(second, 'POST', 'sys/mounts/kv', { body: { type: 'kv' } })).status, 204);
    assert.equal((await cluster.request(second, 'PUT', 'kv/a', { body: { b: 'c' } })).status, 204);
    assert.equal((await cluster.request(first, 'GET', 'kv/a')).body.data.b, 'c');
    server.run(`DO $$ BEGIN
      ASSERT (SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'coffer%') >= 6;
      ASSERT (SELECT count(*) FROM pg_stat_activity JOIN pg_stat_ssl USING (pid)
        WHERE application_name LIKE 'coffer%' AND NOT (ssl AND client_dn = '/CN=coffer')) = 0;
    END $$`);
  });

  it('goes on with the other node when the active one is killed', async () => {
    const active = await cluster.active();
    const [other] = cluster.nodes.filter((node) => node !== active);
    await cluster.kill(active);
    await cluster.ready([other]);
    assert.equal((await cluster.request(other, 'PUT', 'kv/a', { body: { b: 'd' } })).status, 204);
    await cluster.restart(active);
    await cluster.ready();
  });

  it('refuses a server whose certificate another authority signed', async () => {
    assert.match(await ends(urlWith({ caFile: other.caFile })), /the database cannot be reached: .*certificate/);
  });

  it('refuses a server whose certificate is for another name', async () => {
    assert.match(await ends(urlWith({ host: 'localhost' })), /the database cannot be reached: .*does not match/);
  });

  it('is refused with the certificate of somebody else, and told why', async () => {
    const output = await ends(urlWith(await authority.issue('intruder')));
    assert.match(output, /the database refused \(SQLSTATE 28000\): certificate authentication failed/);
  });

  it('names the file that is missing, and where the mistake is', async () => {
    const output = await ends(urlWith({ caFile: '/nowhere/ca.pem' }));
    assert.match(output, /refused\.hcl:1:1: connection_url: sslrootcert: "\/nowhere\/ca\.pem" cannot be read: ENOENT/);
  });
});
