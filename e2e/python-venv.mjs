/** Virtual environments of Python for tests, made once and kept in the cache. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './program.mjs';

function mustRun(command, args) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  assert.ok(!error && status === 0, `${command} ${args.join(' ')}: ${error ?? ''}${stdout}${stderr}`);
}

/**
 * @param {string} name of its folder in the cache
 * @param {string} requirements the file that names what is in it
 * @returns {string} its folder of programs
 */
export function pythonPrograms(name, requirements) {
  const venv = join(root, 'node_modules/.cache', name);
  const stamp = join(venv, 'requirements.sha256');
  const wanted = createHash('sha256').update(readFileSync(requirements)).digest('hex');
  if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== wanted) {
    mustRun('python3', ['-m', 'venv', '--clear', venv]);
    const program = join(venv, 'bin/python');
    mustRun(program, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', requirements]);
    writeFileSync(stamp, wanted);
  }
  return join(venv, 'bin');
}
