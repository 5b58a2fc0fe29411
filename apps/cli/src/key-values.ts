import { readFileSync } from 'node:fs';
import { exactNumber, parseExactJson } from '@coffer/api-client';
import { UsageError } from './flags.ts';

/**
 * Data on the command line: `key=value`, `key=@file`, `key=-` (standard input), `@file` and `-` (JSON), `key=\\@value` for
 * a value that begins with `@`. The same key several times is a list. Numbers in JSON stay as they were written.
 *
 * @throws UsageError in Vault's words
 */
export function parseKeyValues(args: readonly string[], readInput: () => string): Record<string, unknown> {
  const data = new Map<string, unknown>();
  let consumed = false;
  const input = (): string => {
    if (consumed) throw new UsageError('stdin already consumed');
    consumed = true;
    return readInput();
  };
  for (const arg of args) {
    try {
      addArgument(data, arg, input);
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      throw new UsageError(
        `Failed to parse K=V data: invalid key/value pair ${JSON.stringify(shown(arg))}: ${error.message}`,
      );
    }
  }
  return Object.fromEntries([...data].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** What is no text becomes one, as Vault's clients have it. @throws UsageError for lists and maps */
export function textsOf(data: Readonly<Record<string, unknown>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(data).map(([key, value]) => {
      if (typeof value === 'boolean') return [key, value ? '1' : '0'];
      if (value === null) return [key, ''];
      if (typeof value === 'object' && exactNumber(value) === undefined)
        throw new UsageError(
          `Failed to parse K=V data: failed to convert values to strings: '${key}': expected a text, a number or a boolean, got ${Array.isArray(value) ? 'several values' : 'a map'}`,
        );
      return [key, exactNumber(value) ?? String(value)];
    }),
  );
}

/** The value may be a secret: an error shows where it came from, or its key alone. */
function shown(arg: string): string {
  const equals = arg.indexOf('=');
  if (equals === -1) return arg;
  return /^(-|@)/.test(arg.slice(equals + 1)) ? arg : `${arg.slice(0, equals)}=…`;
}

function addArgument(data: Map<string, unknown>, arg: string, input: () => string): void {
  if (arg === '') return;
  if (arg === '-') return addJson(data, input());
  if (arg.startsWith('@')) return addJson(data, readText(arg.slice(1)));
  const equals = arg.indexOf('=');
  if (equals === -1) throw new UsageError('format must be key=value');
  add(data, arg.slice(0, equals), valueOf(arg.slice(equals + 1), input));
}

function add(data: Map<string, unknown>, key: string, value: unknown): void {
  const before = data.get(key);
  data.set(
    key,
    !data.has(key) ? value : Array.isArray(before) ? [...(before as readonly unknown[]), value] : [before, value],
  );
}

function valueOf(text: string, input: () => string): string {
  if (text === '-') return input();
  if (text.startsWith('@')) return readText(text.slice(1));
  return text.startsWith('\\@') ? text.slice(1) : text;
}

function addJson(data: Map<string, unknown>, text: string): void {
  if (text.trim() === '') throw new UsageError('EOF');
  let parsed: unknown;
  try {
    parsed = parseExactJson(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    // The parser's own message quotes the text, which may be a secret.
    throw new UsageError('expected a JSON object, but it is no valid JSON');
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed) || exactNumber(parsed) !== undefined)
    throw new UsageError('expected a JSON object');
  for (const [key, value] of Object.entries(parsed)) data.set(key, value);
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new UsageError(`error reading file: open ${path}: ${reason(error)}`);
  }
}

/** The code of a system error (`ENOENT`), wherever it was made; '' for other failures. */
export const codeOf = (error: unknown): string =>
  typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';

/** Why a file could not be read, as Go says it. */
export function reason(error: unknown): string {
  const code = codeOf(error);
  return code === 'ENOENT'
    ? 'no such file or directory'
    : code === 'EACCES'
      ? 'permission denied'
      : code === 'EISDIR'
        ? 'is a directory'
        : code || 'unknown error';
}
