#!/usr/bin/env node
/** Bundles the command line, so that it starts quickly; the server stays outside and is loaded only by `coffer server`. */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rmSync } from 'node:fs';
import { build } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));

rmSync(join(here, 'dist/bundle'), { recursive: true, force: true });
await build({
  entryPoints: { coffer: join(here, 'src/bin.ts') },
  outdir: join(here, 'dist/bundle'),
  outExtension: { '.js': '.mjs' },
  // What is imported only where it is needed (YAML, HCL) becomes a file of its own.
  splitting: true,
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node24',
  conditions: ['@coffer/source'],
  minifySyntax: true,
  external: ['@coffer/server'],
  banner: {
    js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
  },
  logLevel: 'warning',
});
