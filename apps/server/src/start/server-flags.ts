import { LOG_LEVELS } from '@coffer/kernel';
import type { LogLevel } from '@coffer/kernel';

/** What `coffer server` was called with. */
export interface ServerFlags {
  readonly configPaths: readonly string[];
  readonly dev: boolean;
  readonly devRootTokenId: string | undefined;
  readonly devListenAddress: string;
  readonly devTls: boolean;
  readonly devTlsCertDir: string | undefined;
  readonly devNoStoreToken: boolean;
  readonly devNoKv: boolean;
  readonly devKvV1: boolean;
  readonly logLevel: LogLevel | undefined;
  readonly logFormat: 'standard' | 'json' | undefined;
  /** Check the configuration and end. */
  readonly test: boolean;
  readonly exitOnCoreShutdown: boolean;
}

/** A flag that does not fit. */
export class FlagError extends Error {
  override readonly name = 'FlagError';
}

const BOOLEANS = new Set([
  'dev',
  'dev-tls',
  'dev-no-store-token',
  'dev-no-kv',
  'dev-kv-v1',
  'test',
  'exit-on-core-shutdown',
  'dev-ha',
  'dev-transactional',
  'recovery',
  'combine-logs',
]);
const TEXTS = new Set([
  'config',
  'dev-root-token-id',
  'dev-listen-address',
  'dev-tls-cert-dir',
  'log-level',
  'log-format',
  'log-file',
]);

/** Reads flags as Go's package does: `-x`, `--x`, `-x=y`, `-x y`. @throws FlagError */
export function parseServerFlags(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): ServerFlags {
  const texts = new Map<string, string[]>();
  const booleans = new Map<string, boolean>();
  for (let at = 0; at < argv.length; at++) {
    const [, name = '', given] = /^--?([^=]+)(?:=([^]*))?$/.exec(argv[at] ?? '') ?? [];
    if (BOOLEANS.has(name)) booleans.set(name, given === undefined || given === 'true' || given === '1');
    else if (TEXTS.has(name)) {
      const value = given ?? argv[++at];
      if (value === undefined) throw new FlagError(`flag needs an argument: -${name}`);
      texts.set(name, [...(texts.get(name) ?? []), value]);
    } else
      throw new FlagError(
        name === ''
          ? `Too many arguments (expected 0, got ${String(argv.length - at)})`
          : `flag provided but not defined: -${name}`,
      );
  }
  const text = (name: string): string | undefined => texts.get(name)?.at(-1);
  const is = (name: string): boolean => booleans.get(name) ?? false;
  return {
    configPaths: texts.get('config') ?? [],
    dev: is('dev') || is('dev-tls'),
    devRootTokenId: text('dev-root-token-id') ?? env.VAULT_DEV_ROOT_TOKEN_ID ?? env.COFFER_DEV_ROOT_TOKEN_ID,
    devListenAddress:
      text('dev-listen-address') ?? env.COFFER_DEV_LISTEN_ADDRESS ?? env.VAULT_DEV_LISTEN_ADDRESS ?? '127.0.0.1:8200',
    devTls: is('dev-tls'),
    devTlsCertDir: text('dev-tls-cert-dir'),
    devNoStoreToken: is('dev-no-store-token'),
    devNoKv: is('dev-no-kv'),
    devKvV1: is('dev-kv-v1'),
    logLevel: levelOf(text('log-level') ?? env.COFFER_LOG_LEVEL ?? env.VAULT_LOG_LEVEL),
    logFormat: formatOf(text('log-format') ?? env.COFFER_LOG_FORMAT ?? env.VAULT_LOG_FORMAT),
    test: is('test'),
    exitOnCoreShutdown: is('exit-on-core-shutdown'),
  };
}

function levelOf(text: string | undefined): LogLevel | undefined {
  if (text === undefined || text === '') return undefined;
  const level = text.toLowerCase() === 'warning' ? 'warn' : text.toLowerCase() === 'err' ? 'error' : text.toLowerCase();
  const found = LOG_LEVELS.find((known) => known === level);
  if (!found) throw new FlagError(`unknown log level: ${text}`);
  return found;
}

function formatOf(text: string | undefined): 'standard' | 'json' | undefined {
  if (text === undefined || text === '' || text === 'unspecified') return undefined;
  if (text !== 'standard' && text !== 'json') throw new FlagError(`unknown log format: ${text}`);
  return text;
}

/** @throws FlagError */
export function splitAddress(address: string): { readonly host: string; readonly port: number } {
  const [, bracketed, plain, port = ''] = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(address) ?? [];
  if (port === '' || Number(port) > 65_535) throw new FlagError(`"${address}" is not an address of the form host:port`);
  return { host: (bracketed ?? plain) || '0.0.0.0', port: Number(port) };
}
