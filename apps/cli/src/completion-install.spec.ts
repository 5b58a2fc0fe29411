import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { installCompletion, uninstallCompletion } from './completion-install.ts';

describe('installing completion', () => {
  const home = mkdtempSync(join(tmpdir(), 'coffer-home-'));
  const bash = join(home, '.bashrc');
  const fish = join(home, '.config/fish/completions/coffer.fish');
  afterAll(() => rmSync(home, { recursive: true }));

  it('changes nothing for a user without start files', () => {
    expect(installCompletion(home, 'coffer')).toEqual([]);
    expect(existsSync(bash)).toBe(false);
  });

  it('adds itself once to what is there, and takes only itself away', () => {
    writeFileSync(bash, 'alias ll="ls -l"');
    mkdirSync(join(home, '.config/fish'), { recursive: true });
    expect(installCompletion(home, 'coffer')).toEqual([bash, fish]);
    expect(installCompletion(home, 'coffer')).toEqual([]);
    expect(readFileSync(bash, 'utf8')).toBe('alias ll="ls -l"\ncomplete -C coffer coffer\n');
    expect(uninstallCompletion(home, 'coffer')).toEqual([bash, fish]);
    expect(readFileSync(bash, 'utf8')).toBe('alias ll="ls -l"\n');
    expect(existsSync(fish)).toBe(false);
    expect(uninstallCompletion(home, 'coffer')).toEqual([]);
  });
});
