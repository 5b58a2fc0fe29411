/** A copy of the workspace to generate engines in: they are compiled and tested there by what the real ones are. */
import { spawn } from 'node:child_process';
import {
  cpSync,
  globSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { node, root } from '../program.mjs';

const require = createRequire(join(root, 'package.json'));
const { FsTree, flushChanges } = require('nx/src/generators/tree');
const generate = require('./tools/nx/src/engine/generator.cjs');

const COPIED = [
  'apps',
  'libs',
  'package.json',
  'tsconfig.json',
  'tsconfig.base.json',
  'jest.config.mjs',
  '.prettierrc.json',
];
const NOT_COPIED = new Set(['dist', 'node_modules', 'coverage']);

export class TrialWorkspace {
  /** @type {string} */
  folder;

  constructor() {
    this.folder = realpathSync(mkdtempSync(join(tmpdir(), 'coffer-kit-')));
    const filter = (source) => !NOT_COPIED.has(basename(source));
    for (const path of COPIED) cpSync(join(root, path), join(this.folder, path), { recursive: true, filter });
    this.#linkModules('node_modules');
    this.#linkModules('node_modules/@coffer');
    // Packages of which the workspace has two versions: beside the one that needs the other.
    for (const path of globSync('{apps,libs}/{*,*/*}/node_modules', { cwd: root }))
      symlinkSync(join(root, path), join(this.folder, path));
  }

  /** Workspace packages are those of the copy: their links are relative. The rest is the real workspace's. */
  #linkModules(folder) {
    mkdirSync(join(this.folder, folder));
    for (const name of readdirSync(join(root, folder))) {
      const source = join(root, folder, name);
      if (name === '@coffer') continue;
      const target = lstatSync(source).isSymbolicLink() ? readlinkSync(source) : source;
      symlinkSync(target, join(this.folder, folder, name));
    }
  }

  /** As `nx g @coffer/nx:engine`, and links the package as `npm install` would. @returns {Promise<string>} its folder */
  async generate(options) {
    const tree = new FsTree(this.folder, false);
    await generate(tree, options);
    const changes = tree.listChanges();
    flushChanges(this.folder, changes);
    const { path, content } = changes.find((each) => each.type === 'CREATE' && each.path.endsWith('package.json'));
    const link = join(this.folder, 'node_modules', JSON.parse(content.toString()).name);
    symlinkSync(relative(dirname(link), join(this.folder, dirname(path))), link);
    return dirname(path);
  }

  read(path) {
    return readFileSync(join(this.folder, path), 'utf8');
  }

  /** @throws Error with the compiler's messages */
  compile(...projects) {
    return this.#run('node_modules/tsc-native/bin/tsc', '-b', ...projects);
  }

  /** @returns {Promise<number>} how many tests passed @throws Error with jest's messages */
  async test(...folders) {
    const out = join(this.folder, 'jest.json');
    const jest = ['--experimental-vm-modules', 'node_modules/jest/bin/jest.js', '--ci', '--maxWorkers=1', '--json'];
    await this.#run(...jest, `--outputFile=${out}`, ...folders);
    return JSON.parse(readFileSync(out, 'utf8')).numPassedTests;
  }

  #run(...args) {
    return new Promise((resolve, reject) => {
      const child = spawn(node, args, { cwd: this.folder, stdio: ['ignore', 'pipe', 'pipe'] });
      let text = '';
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (text += data));
      child.once('error', reject);
      child.once('close', (code) => {
        if (code === 0) resolve(text);
        else reject(new Error(`${args.join(' ')} ended with ${code}:\n${text.slice(0, 6000)}`));
      });
    });
  }

  remove() {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
