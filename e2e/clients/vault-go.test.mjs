/** Vault's own client for Go, through each node of a cluster. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Cluster, cleanEnvironment } from '../cluster.mjs';

const here = join(dirname(fileURLToPath(import.meta.url)), 'go');
const hasGo = spawnSync('go', ['version']).status === 0;

function goTest(environment) {
  return new Promise((resolve, reject) => {
    const child = spawn('go', ['test', '-count=1', '-v', './...'], {
      cwd: here,
      env: { ...cleanEnvironment(), GOFLAGS: '-mod=readonly', ...environment },
    });
    let output = '';
    child.stdout.on('data', (data) => (output += data));
    child.stderr.on('data', (data) => (output += data));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, output }));
  });
}

if (!hasGo) {
  // the one client that needs a whole compiler: not worth installing it where nobody else needs it
  console.log('skipped the tests with the Go client: "go" is not installed');
} else {
  describe('github.com/hashicorp/vault/api', () => {
    let cluster;
    before(async () => {
      cluster = await Cluster.start({ nodes: 3 });
    });
    after(() => cluster?.stop());

    for (const number of [1, 2, 3]) {
      it(`works through node ${number}`, async () => {
        const { code, output } = await goTest({
          VAULT_ADDR: cluster.nodes[number - 1].url,
          VAULT_TOKEN: cluster.token,
        });
        assert.equal(code, 0, output);
        assert.doesNotMatch(output, /--- SKIP/);
      });
    }
  });
}
