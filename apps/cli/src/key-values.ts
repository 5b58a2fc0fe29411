import { readFileSync } from 'node:fs';
import { UsageError } from './flags.ts';

/**
 * Data on the command line: `key=value`, `key=@file`, `key=-` (standard input), `@file` and `-` (JSON). The same key
 * several times is a list.
 *
 * @throws UsageError in Vault's words
 */
export function parseKeyValues(args: readonly string[], readInput: () => string): Record<string, unknown> {
  const data = new Map<string, unknown>();
  for (const arg of args) {
    if (arg === '-') addJson(data, readInput());
    else if (arg.startsWith('@')) addJson(data, readText(arg.slice(1)));
    else {
      const equals = arg.indexOf('=');
      if (equals === -1)
        throw new UsageError(`Failed to parse K=V data: invalid key/value pair "${arg}": format must be key=value`);
      const key = arg.slice(0, equals);
      add(data, key, valueOf(arg.slice(equals + 1), readInput));
    }
  }
  return Object.fromEntries(data);
}

function add(data: Map<string, unknown>, key: string, value: unknown): void {
  const before = data.get(key);
  data.set(
    key,
    before === undefined ? value : Array.isArray(before) ? [...(before as unknown[]), value] : [before, value],
  );
}

function valueOf(text: string, readInput: () => string): string {
  if (text === '-') return readInput();
  if (text.startsWith('@')) return readText(text.slice(1));
  return text.startsWith('\\@') ? text.slice(1) : text;
}

function addJson(data: Map<string, unknown>, text: string): void {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw new UsageError(`Failed to parse K=V data: ${error instanceof Error ? error.message : 'invalid JSON'}`);
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    throw new UsageError('Failed to parse K=V data: expected a JSON object');
  for (const [key, value] of Object.entries(parsed)) data.set(key, value);
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new UsageError(`Failed to parse K=V data: error reading file: open ${path}: ${reason(error)}`);
  }
}

/** Why a file could not be read, as Go says it. */
export function reason(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return code === 'ENOENT'
    ? 'no such file or directory'
    : code === 'EACCES'
      ? 'permission denied'
      : code === 'EISDIR'
        ? 'is a directory'
        : code || 'unknown error';
}
