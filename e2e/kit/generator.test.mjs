import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { TrialWorkspace } from './trial-workspace.mjs';

const trial = new TrialWorkspace();
after(() => trial.remove());

test('the generator makes an engine and an auth method that compile, pass their specs, and are listed', async () => {
  const engine = await trial.generate({ name: 'two-words', kind: 'secret' });
  const method = await trial.generate({ name: 'two-words', kind: 'auth' });
  assert.equal(engine, 'libs/engines/two-words');
  assert.equal(method, 'libs/auth/two-words');

  const plugins = trial.read('apps/server/src/plugins.ts');
  assert.match(plugins, /PLUGIN_MODULES = \[[^\]]*TwoWordsModule,\s*TwoWordsAuthModule,?\s*\]/);
  const server = JSON.parse(trial.read('apps/server/package.json'));
  for (const name of ['@coffer/engine-two-words', '@coffer/auth-two-words']) {
    assert.equal(server.dependencies[name], '0.1.0');
    assert.match(plugins, new RegExp(`from '${name}'`));
  }
  for (const file of ['tsconfig.json', 'apps/server/tsconfig.json'])
    for (const folder of [engine, method])
      assert.ok(JSON.parse(trial.read(file)).references.some(({ path }) => path.endsWith(folder)));

  await trial.compile(engine, method, 'apps/server');
  assert.ok((await trial.test(engine, method)) > 60);
  // the contract over all that is listed finds both by their names
  const jest = JSON.parse(trial.read('jest.json'));
  assert.equal(jest.numFailedTests, 0);
  assert.ok((await trial.test('apps/server/src/plugins.spec.ts')) > 60);
  const titles = JSON.parse(trial.read('jest.json')).testResults.flatMap(({ assertionResults }) =>
    assertionResults.map(({ fullName }) => fullName),
  );
  for (const kind of ['secret', 'auth'])
    assert.ok(titles.some((title) => title.startsWith(`${kind} plugin two-words {}, as every engine says what it is`)));
});

test('the generator refuses names that do not fit, and changes nothing', async () => {
  const before = trial.read('apps/server/src/plugins.ts');
  await trial.generate({ name: 'taken', kind: 'secret' });
  const listed = trial.read('apps/server/src/plugins.ts');
  assert.notEqual(listed, before);
  for (const name of ['Counter', 'two_words', '-a', 'a-', 'a--b', '9lives', '', 'a/b', '../a', 'a b', '__proto__'])
    await assert.rejects(trial.generate({ name }), /expected a name in kebab-case/);
  await assert.rejects(
    trial.generate({ name: 'fine', kind: 'audit' }),
    /expected the kind secret or auth, not "audit"/,
  );
  await assert.rejects(trial.generate({ name: 'taken', kind: 'secret' }), /libs\/engines\/taken is there already/);
  await assert.rejects(trial.generate({ name: 'kv', kind: 'secret' }), /libs\/engines\/kv is there already/);
  assert.equal(trial.read('apps/server/src/plugins.ts'), listed);
  assert.ok(!existsSync(join(trial.folder, 'libs/engines/fine')));
});
