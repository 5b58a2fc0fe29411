import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { CommandError } from './command-error.ts';
import { codeOf, reason } from './key-values.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** Where the token of the last login is kept. */
export interface TokenHelper {
  /** @throws CommandError if the place cannot be read */
  get(): string | undefined;
  /** @throws CommandError if the place cannot be written */
  store(token: string): void;
}

const DEFAULT_CONFIG = '.vault';

/**
 * The program that `token_helper` in `~/.vault` (or `COFFER_CONFIG_PATH`, `VAULT_CONFIG_PATH`) names, else the file
 * `~/.vault-token`.
 *
 * @throws CommandError if the configuration is wrong
 */
export async function tokenHelper(env: Environment): Promise<TokenHelper> {
  const given = env.COFFER_CONFIG_PATH || env.VAULT_CONFIG_PATH;
  const path = given || join(homedir(), DEFAULT_CONFIG);
  if (!existsSync(path)) return fileHelper(join(homedir(), '.vault-token'));
  const program = await configuredProgram(path);
  return program === undefined ? fileHelper(join(homedir(), '.vault-token')) : externalHelper(program, env);
}

async function configuredProgram(path: string): Promise<string | undefined> {
  const { ConfigError, parseHclOrJson } = await import('@coffer/config');
  try {
    const { items } = parseHclOrJson(readFileSync(path, 'utf8'), path);
    const unknown = items.find(({ key }) => key !== 'token_helper');
    if (unknown) throw new CommandError(`Error in ${path}: invalid key: ${unknown.key}`, 1);
    const value = items.at(-1)?.value;
    if (value === undefined) return undefined;
    if (value.kind !== 'string') throw new CommandError(`Error in ${path}: token_helper must be a string`, 1);
    return value.value === '' ? undefined : value.value;
  } catch (error) {
    if (error instanceof ConfigError) throw new CommandError(`Error in the configuration: ${error.message}`, 1);
    if (error instanceof CommandError) throw error;
    throw new CommandError(`Error reading ${path}: ${reason(error)}`, 1);
  }
}

/** A file for its owner alone; replaced as a whole, so that a crash leaves the old token or the new one. */
export function fileHelper(path: string): TokenHelper {
  return {
    get() {
      try {
        return readFileSync(path, 'utf8').trim() || undefined;
      } catch (error) {
        if (codeOf(error) === 'ENOENT') return undefined;
        throw new CommandError(`Error getting the token: open ${path}: ${reason(error)}`, 1);
      }
    },
    store(token) {
      const temporary = `${path}.${String(process.pid)}.tmp`;
      try {
        writeFileSync(temporary, token, { mode: 0o600, flag: 'wx' });
        renameSync(temporary, path);
      } catch (error) {
        rmSync(temporary, { force: true });
        throw new CommandError(`Error storing the token: ${path}: ${reason(error)}`, 1);
      }
    },
  };
}

/** A program that is told `get`, or `store` with the token on its standard input. */
export function externalHelper(program: string, env: Environment): TokenHelper {
  const run = (operation: 'get' | 'store', input?: string): string => {
    const { status, stdout, stderr, error } = spawnSync('/bin/sh', ['-c', `${resolve(program)} ${operation}`], {
      env: env as NodeJS.ProcessEnv,
      encoding: 'utf8',
      ...(input === undefined ? {} : { input }),
    });
    if (error || status !== 0)
      throw new CommandError(
        `Error ${operation === 'get' ? 'getting' : 'storing'} the token: ${error?.message ?? stderr.trim()}`,
        1,
      );
    return stdout;
  };
  return {
    get: () => run('get').trim() || undefined,
    store: (token) => void run('store', token),
  };
}
