/** hvac, Vault's client for Python, at the release that requirements.txt names, through each node of a cluster. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Cluster, cleanEnvironment } from '../cluster.mjs';
import { root } from '../program.mjs';

const here = join(dirname(fileURLToPath(import.meta.url)), 'python');
const requirements = join(here, 'requirements.txt');
const venv = join(root, 'node_modules/.cache/e2e-python');

function mustRun(command, args) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  assert.ok(!error && status === 0, `${command} ${args.join(' ')}: ${error ?? ''}${stdout}${stderr}`);
}

/** A virtual environment with what requirements.txt names, made once. @returns its Python */
function python() {
  const stamp = join(venv, 'requirements.sha256');
  const wanted = createHash('sha256').update(readFileSync(requirements)).digest('hex');
  const program = join(venv, 'bin/python');
  if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== wanted) {
    mustRun('python3', ['-m', 'venv', '--clear', venv]);
    mustRun(program, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', requirements]);
    writeFileSync(stamp, wanted);
  }
  return program;
}

function unittest(program, environment) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, [join(here, 'use_hvac.py'), '-v'], { env: { ...cleanEnvironment(), ...environment } });
    let output = '';
    child.stdout.on('data', (data) => (output += data));
    child.stderr.on('data', (data) => (output += data));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, output }));
  });
}

describe('hvac', () => {
  let cluster;
  let program;
  before(async () => {
    program = python();
    cluster = await Cluster.start({ nodes: 3 });
  });
  after(() => cluster?.stop());

  for (const number of [1, 2, 3]) {
    it(`works through node ${number}`, async () => {
      const { code, output } = await unittest(program, {
        VAULT_ADDR: cluster.nodes[number - 1].url,
        VAULT_TOKEN: cluster.token,
        UNSEAL_KEY: cluster.keys[0],
      });
      assert.equal(code, 0, output);
      assert.doesNotMatch(output, /skipped/);
    });
  }
});
