#!/usr/bin/env node
/**
 * Builds everything: type check and compile all packages (project references, so only what changed), then bundle the
 * command line. `npm run build`.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const node = join(root, 'node_modules/node/bin/node');

function run(...args) {
  const { status } = spawnSync(node, args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

run('node_modules/tsc-native/bin/tsc', '-b');
run('apps/cli/build.mjs');

// npm links bins of workspaces when it installs; after a build without one, do the same.
const link = join(root, 'node_modules/.bin/coffer');
if (!existsSync(link)) {
  mkdirSync(dirname(link), { recursive: true });
  symlinkSync('../../apps/cli/bin/coffer', link);
}
