import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { root } from '../program.mjs';
import { TrialWorkspace } from './trial-workspace.mjs';

const trial = new TrialWorkspace();
after(() => trial.remove());

/** The code of the page, by the file that its first line names. */
function examples() {
  const page = readFileSync(join(root, 'docs/writing-an-engine.md'), 'utf8');
  const blocks = [...page.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code]) => code);
  return blocks.map((code) => {
    const [, file] = code.match(/^\/\/ (src\/\S+\.ts)\n/) ?? [];
    assert.ok(file, `an example says which file it is:\n${code.slice(0, 200)}`);
    return { file, code };
  });
}

test('docs/writing-an-engine.md: what it says to write compiles, passes and is listed', async () => {
  const folder = await trial.generate({ name: 'counter', kind: 'secret' });
  rmSync(join(trial.folder, folder, 'src/items.path.ts'));
  const files = examples();
  assert.ok(files.length >= 7);
  for (const { file, code } of files) writeFileSync(join(trial.folder, folder, file), code);
  await trial.compile(folder, 'apps/server');
  assert.ok((await trial.test(folder)) > 40);
});
