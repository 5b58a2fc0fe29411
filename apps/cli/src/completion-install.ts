import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { completionScript } from './completion.ts';

/** A shell's start file of one user, and what it must contain. */
interface ShellFile {
  readonly path: string;
  readonly script: string;
  /** The file is ours alone: fish reads one for each program. */
  readonly whole: boolean;
}

function shellFiles(home: string, program: string): readonly ShellFile[] {
  const file = (path: string, shell: string, whole = false): ShellFile => ({
    path: join(home, path),
    script: `${completionScript(shell, program) ?? ''}\n`,
    whole,
  });
  const files = [file('.bashrc', 'bash'), file('.zshrc', 'zsh')].filter(({ path }) => existsSync(path));
  return existsSync(join(home, '.config/fish'))
    ? [...files, file(`.config/fish/completions/${program}.fish`, 'fish', true)]
    : files;
}

/**
 * `-autocomplete-install`: for each shell that the user has a start file of; a second time changes nothing.
 *
 * @returns the files that were changed
 */
export function installCompletion(home: string, program: string): readonly string[] {
  return shellFiles(home, program)
    .filter(({ path, script, whole }) => {
      const before = existsSync(path) ? readFileSync(path, 'utf8') : '';
      if (before.includes(script)) return false;
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, whole ? script : `${before}${before === '' || before.endsWith('\n') ? '' : '\n'}${script}`);
      return true;
    })
    .map(({ path }) => path);
}

/** `-autocomplete-uninstall`. @returns the files that were changed */
export function uninstallCompletion(home: string, program: string): readonly string[] {
  return shellFiles(home, program)
    .filter(({ path, script, whole }) => {
      const before = existsSync(path) ? readFileSync(path, 'utf8') : '';
      if (!before.includes(script)) return false;
      if (whole) rmSync(path);
      else writeFileSync(path, before.replace(script, ''));
      return true;
    })
    .map(({ path }) => path);
}
