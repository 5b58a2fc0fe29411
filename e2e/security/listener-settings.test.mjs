/** What a configuration file opens and closes, on a real server: endpoints without a token, the process's number, warnings. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ServerProcess, call } from '../cluster.mjs';
import { eventually, freePort, serverCommand } from '../program.mjs';

describe('a server with two listeners', () => {
  let folder;
  let server;
  let closed;
  let opened;
  let keys;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'coffer-settings-'));
    const ports = [await freePort(), await freePort()];
    [closed, opened] = ports.map((port) => `http://127.0.0.1:${port}`);
    const listeners = ports.map((port, index) => ({
      tcp: {
        address: `127.0.0.1:${port}`,
        tls_disable: true,
        ...(index === 0
          ? {}
          : { disable_unauthed_rekey_endpoints: false, disable_unauthed_generate_root_endpoints: false }),
      },
    }));
    writeFileSync(
      join(folder, 'server.json'),
      JSON.stringify({
        storage: { inmem: {} },
        listener: listeners,
        seal: { awskms: { region: 'eu-west-1' } },
        pid_file: join(folder, 'pid'),
      }),
    );
    server = new ServerProcess(
      [...serverCommand(), `-config=${join(folder, 'server.json')}`],
      join(folder, 'server.log'),
    );
    await eventually('the server answers', async () => {
      if (!server.alive) throw new Error(server.log);
      return (await call(closed, 'GET', 'sys/seal-status')).status === 200;
    });
    const { body } = await call(closed, 'PUT', 'sys/init', { body: { secret_shares: 1, secret_threshold: 1 } });
    keys = body.keys_base64;
    assert.equal((await call(closed, 'PUT', 'sys/unseal', { body: { key: keys[0] } })).body.sealed, false);
  });
  after(async () => {
    if (server?.alive) await server.end();
    rmSync(folder, { recursive: true, force: true });
  });

  const OLD = [
    ['GET', 'sys/rekey/init'],
    ['PUT', 'sys/rekey/init', { secret_shares: 1, secret_threshold: 1 }],
    ['PUT', 'sys/rekey/update', { key: 'AAAA', nonce: 'x' }],
    ['GET', 'sys/rekey/verify'],
    ['GET', 'sys/generate-root/attempt'],
    ['PUT', 'sys/generate-root/attempt', {}],
    ['PUT', 'sys/generate-root/update', { key: 'AAAA', nonce: 'x' }],
  ];

  it('closes rekeying and root tokens without a token, unless the listener opens them', async () => {
    for (const [method, path, body] of OLD) {
      const refused = await call(closed, method, path, { body });
      assert.deepEqual([refused.status, refused.body], [405, { errors: ['unsupported operation'] }], path);
      assert.notEqual((await call(opened, method, path, { body })).status, 405, path);
    }
  });

  it('changes the shares where it is opened', async () => {
    await call(opened, 'DELETE', 'sys/rekey/init');
    const { body: begun } = await call(opened, 'PUT', 'sys/rekey/init', {
      body: { secret_shares: 2, secret_threshold: 2 },
    });
    assert.equal(begun.started, true);
    const { status, body } = await call(opened, 'PUT', 'sys/rekey/update', {
      body: { key: keys[0], nonce: begun.nonce },
    });
    assert.deepEqual([status, body.complete, body.keys_base64.length], [200, true, 2]);
  });

  it('writes its number down, and takes it back at its end; warns of a seal that is not in effect', async () => {
    assert.equal(readFileSync(join(folder, 'pid'), 'utf8'), `${server.pid}\n`);
    assert.match(server.log, /\[WARN\].*"seal" is not in effect/);
    assert.equal(await server.end(), 0);
    assert.equal(existsSync(join(folder, 'pid')), false);
  });
});
