#!/usr/bin/env node
/** Bundles the command line, so that it starts quickly; the server stays outside and is loaded only by `coffer server`. */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));

await build({
  entryPoints: [join(here, 'src/bin.ts')],
  outfile: join(here, 'dist/coffer.mjs'),
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node24',
  conditions: ['@coffer/source'],
  external: ['@coffer/server'],
  banner: {
    js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
  },
  logLevel: 'warning',
});
