import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { CreateRaft } from 'raft-ts';

/** One place of the core, as it is and as somebody got it wrong. */
export interface Alteration {
  /** The file within the core's sources. */
  readonly file: string;
  /** What stands there, exactly once. */
  readonly find: string;
  readonly replace: string;
}

const SOURCES = fileURLToPath(new URL('../../../../raft/src/', import.meta.url));

/**
 * The core as it would be with these mistakes: built from its sources, so that the mistake is where it was made in
 * history, and the core itself needs no switches for it.
 *
 * @throws Error where the sources no longer hold what is to be replaced: the alteration has to follow them
 */
export async function alteredCore(alterations: readonly Alteration[]): Promise<CreateRaft> {
  const left = new Set(alterations);
  const result = await build({
    entryPoints: [`${SOURCES}index.ts`],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
    conditions: ['@coffer/source'],
    logLevel: 'silent',
    plugins: [
      {
        name: 'alterations',
        setup({ onLoad }) {
          onLoad({ filter: /[\\/]raft[\\/]src[\\/][a-z-]+\.ts$/ }, async ({ path }) => {
            let contents = await readFile(path, 'utf8');
            for (const alteration of alterations) {
              if (alteration.file !== basename(path)) continue;
              contents = altered(contents, alteration);
              left.delete(alteration);
            }
            return { contents, loader: 'ts' };
          });
        },
      },
    ],
  });
  for (const { file } of left) throw new Error(`the core has no file ${file}`);
  const text = result.outputFiles[0]?.text ?? '';
  const module = (await import(`data:text/javascript;base64,${Buffer.from(text).toString('base64')}`)) as {
    readonly createRaft: CreateRaft;
  };
  return module.createRaft;
}

function altered(contents: string, { file, find, replace }: Alteration): string {
  const parts = contents.split(find);
  if (parts.length !== 2) throw new Error(`${file} holds ${parts.length - 1} times: ${find}`);
  return parts.join(replace);
}
