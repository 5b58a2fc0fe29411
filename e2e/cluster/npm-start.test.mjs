/** `npm start`: three nodes in one command, again and again, with a clear word where it cannot be. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { call, cleanEnvironment } from '../cluster.mjs';
import { eventually, freePort, node, root } from '../program.mjs';

/** A base port of which all six are free. */
async function freeBasePort() {
  for (;;) {
    const base = await freePort();
    if (base > 65_000) continue;
    const free = await Promise.all(
      [0, 1, 10, 11, 20, 21].map(
        (offset) =>
          new Promise((resolve) => {
            const probe = createServer();
            probe.once('error', () => resolve(false));
            probe.listen(base + offset, '127.0.0.1', () => probe.close(() => resolve(true)));
          }),
      ),
    );
    if (free.every(Boolean)) return base;
  }
}

describe('npm start', () => {
  let data;
  let base;
  before(async () => {
    data = join(mkdtempSync(join(tmpdir(), 'coffer-start-')), 'data');
    base = await freeBasePort();
  });
  after(() => rmSync(join(data, '..'), { recursive: true, force: true }));

  function start(...more) {
    const child = spawn(node, [join(root, 'tools/start.mjs'), `--data=${data}`, `--base-port=${base}`, ...more], {
      // the build is another step's business
      env: { ...cleanEnvironment(), COFFER_START_SET_UP: '1' },
    });
    const run = { child, output: '' };
    child.stdout.on('data', (text) => (run.output += text));
    child.stderr.on('data', (text) => (run.output += text));
    run.ended = new Promise((resolve) => child.once('close', resolve));
    return run;
  }
  const untilReady = async (...more) => {
    const run = start('--exit-when-ready', ...more);
    run.code = await run.ended;
    return run;
  };
  const url = (number) => `http://127.0.0.1:${base + (number - 1) * 10}`;
  const keys = () => JSON.parse(readFileSync(join(data, 'init.json'), 'utf8'));

  it('sets up, and names the nodes, the token and what to try', async () => {
    const { code, output } = await untilReady();
    assert.equal(code, 0, output);
    for (const number of [1, 2, 3]) assert.ok(output.includes(url(number)), output);
    assert.match(output, /active/);
    assert.ok(output.includes(keys().root_token));
    assert.match(output, /coffer status/);
    assert.equal(statSync(join(data, 'init.json')).mode & 0o777, 0o600);
    await assert.rejects(fetch(url(1)), 'the nodes have ended');
  });

  it('starts again with what was written, and ends at Ctrl-C', async () => {
    const first = start();
    await eventually('the cluster is up', () => {
      assert.equal(first.child.exitCode, null, first.output);
      return Promise.resolve(first.output.includes('Ctrl-C'));
    });
    const token = keys().root_token;
    const written = await call(url(2), 'POST', 'secret/data/kept', { token, body: { data: { a: 'b' } } });
    assert.equal(written.status, 200);
    first.child.kill('SIGINT');
    assert.equal(await first.ended, 0, first.output);

    const second = start();
    await eventually('the cluster is up again', () => Promise.resolve(second.output.includes('Ctrl-C')));
    const read = await call(url(3), 'GET', 'secret/data/kept', { token });
    assert.deepEqual(read.body?.data?.data, { a: 'b' });
    second.child.kill('SIGINT');
    assert.equal(await second.ended, 0, second.output);
  });

  it('names the port that is taken', async () => {
    const taken = createServer().listen(base + 11, '127.0.0.1');
    try {
      const { code, output } = await untilReady();
      assert.equal(code, 1);
      assert.match(output, new RegExp(`port ${base + 11} .* in use.*node-2`));
    } finally {
      taken.close();
    }
  });

  it('refuses keys that are broken, missing or of another cluster', async () => {
    const file = join(data, 'init.json');
    const good = readFileSync(file, 'utf8');
    writeFileSync(file, good.slice(0, 20));
    const broken = await untilReady();
    assert.equal(broken.code, 1);
    assert.match(broken.output, /init\.json is not valid JSON/);

    renameSync(file, `${file}.kept`);
    const missing = await untilReady();
    assert.equal(missing.code, 1);
    assert.match(missing.output, /init\.json is missing/);

    const other = JSON.parse(good);
    other.keys_base64 = [Buffer.alloc(32, 7).toString('base64')];
    writeFileSync(file, JSON.stringify(other));
    const strange = await untilReady();
    assert.equal(strange.code, 1);
    assert.match(strange.output, /belongs to another cluster/);
    writeFileSync(file, good);
  });

  it('refuses arguments that it does not know', async () => {
    const { code, output } = await untilReady('--wrong');
    assert.equal(code, 1);
    assert.match(output, /unknown argument --wrong/);
  });
});
