/** hvac, Vault's client for Python, at the release that requirements.txt names, through each node of a cluster. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Cluster, cleanEnvironment } from '../cluster.mjs';
import { pythonPrograms } from '../python-venv.mjs';

const here = join(dirname(fileURLToPath(import.meta.url)), 'python');
const requirements = join(here, 'requirements.txt');

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
    program = join(pythonPrograms('e2e-python', requirements), 'python');
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
