'use strict';

const { formatFiles, installPackagesTask, updateJson } = require('@nx/devkit');
const { filesOfAuth, filesOfSecret } = require('./files.cjs');

const NAME = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;
const MODULES = /export const PLUGIN_MODULES = \[([^\]]*)\];/;

/**
 * Names and places of a type: `two-words` is made by `TwoWordsEngine` or `TwoWordsMethod`. Many names are of both kinds
 * (`ldap`, `kubernetes`), so their modules differ as well.
 */
function namesOf(name, kind) {
  const pascal = name
    .split('-')
    .map((word) => word[0].toUpperCase() + word.slice(1))
    .join('');
  const isAuth = kind === 'auth';
  return {
    name,
    moduleName: `${pascal}${isAuth ? 'Auth' : ''}Module`,
    className: `${pascal}${isAuth ? 'Method' : 'Engine'}`,
    packageName: `@coffer/${isAuth ? 'auth' : 'engine'}-${name}`,
    folder: `libs/${isAuth ? 'auth' : 'engines'}/${name}`,
  };
}

function addReference(tree, file, path) {
  updateJson(tree, file, (json) => ({ ...json, references: [...json.references, { path }] }));
}

/** @throws Error where the list of modules is not as expected */
function addToServer(tree, { folder, packageName, moduleName }) {
  updateJson(tree, 'apps/server/package.json', (json) => ({
    ...json,
    dependencies: { ...json.dependencies, [packageName]: '0.1.0' },
  }));
  addReference(tree, 'apps/server/tsconfig.json', `../../${folder}`);
  const file = 'apps/server/src/plugins.ts';
  const text = tree.read(file, 'utf8');
  const found = MODULES.exec(text);
  if (!found) throw new Error(`${file} has no list PLUGIN_MODULES`);
  const modules = found[1]
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '');
  const list = `export const PLUGIN_MODULES = [${[...modules, moduleName].join(', ')}];`;
  tree.write(file, `import { ${moduleName} } from '${packageName}';\n${text.replace(MODULES, () => list)}`);
}

/**
 * `nx g @coffer/nx:engine NAME --kind=secret|auth`: a project that type-checks, passes its spec and serves.
 *
 * @param {import('@nx/devkit').Tree} tree
 * @param {{ readonly name: string, readonly kind?: 'secret' | 'auth' }} options
 * @throws Error for a name that is not kebab-case or is taken
 */
module.exports = async function engineGenerator(tree, { name, kind = 'secret' }) {
  if (!NAME.test(name)) throw new Error(`expected a name in kebab-case, not "${name}"`);
  if (kind !== 'secret' && kind !== 'auth') throw new Error(`expected the kind secret or auth, not "${kind}"`);
  const names = namesOf(name, kind);
  if (tree.exists(names.folder)) throw new Error(`${names.folder} is there already`);
  const files = kind === 'auth' ? filesOfAuth(names) : filesOfSecret(names);
  for (const [path, text] of Object.entries(files)) tree.write(`${names.folder}/${path}`, text);
  addReference(tree, 'tsconfig.json', names.folder);
  addToServer(tree, names);
  await formatFiles(tree);
  return () => {
    process.stdout.write(`\n${names.folder} is listed in apps/server/src/plugins.ts.\n`);
    // Links the new package; nothing is fetched that is not there.
    installPackagesTask(tree, true);
  };
};
