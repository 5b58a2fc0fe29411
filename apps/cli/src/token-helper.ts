import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { SetupError } from './http-flags.ts';
import { codeOf, reason } from './key-values.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** Where the token of the last login is kept. */
export interface TokenHelper {
  /** @throws SetupError if the place cannot be read */
  get(): string | undefined;
  /** @throws StoreError if the place cannot be written */
  store(token: string): void;
}

/** The token could not be kept. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
}

/** Looks for the helper once, and only if it is asked for. */
export function lazyTokenHelper(env: Environment): () => Promise<TokenHelper> {
  let found: Promise<TokenHelper> | undefined;
  return () => (found ??= tokenHelper(env));
}

const DEFAULT_CONFIG = '.vault';

/**
 * The program that `token_helper` in `~/.vault` (or `COFFER_CONFIG_PATH`, `VAULT_CONFIG_PATH`) names, else the file
 * `~/.vault-token`.
 *
 * @throws SetupError if the configuration is wrong
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
    if (unknown)
      throw new SetupError(
        `failed to get token helper: error loading config file at ${path}: invalid key: ${unknown.key}`,
      );
    const value = items.at(-1)?.value;
    if (value === undefined) return undefined;
    if (value.kind !== 'string')
      throw new SetupError(
        `failed to get token helper: error loading config file at ${path}: token_helper must be a string`,
      );
    return value.value === '' ? undefined : value.value;
  } catch (error) {
    if (error instanceof ConfigError)
      throw new SetupError(`failed to get token helper: error loading config file: ${error.message}`);
    if (error instanceof SetupError) throw error;
    throw new SetupError(`failed to get token helper: open ${path}: ${reason(error)}`);
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
        throw new SetupError(`failed to get token from token helper: open ${path}: ${reason(error)}`);
      }
    },
    store(token) {
      const temporary = `${path}.${String(process.pid)}.tmp`;
      try {
        writeFileSync(temporary, token, { mode: 0o600, flag: 'wx' });
        renameSync(temporary, path);
      } catch (error) {
        rmSync(temporary, { force: true });
        throw new StoreError(`${path}: ${reason(error)}`);
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
      throw operation === 'get'
        ? new SetupError(`failed to get token from token helper: ${error?.message ?? stderr.trim()}`)
        : new StoreError(error?.message ?? stderr.trim());
    return stdout;
  };
  return {
    get: () => run('get').trim() || undefined,
    store: (token) => void run('store', token),
  };
}
