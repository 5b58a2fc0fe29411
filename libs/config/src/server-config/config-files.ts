import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf } from '../error-code.ts';
import { ConfigError } from '../hcl/ast.ts';
import type { HclObject } from '../hcl/ast.ts';
import { parseHclOrJson } from '../hcl/parser.ts';

/** A file and what it says. */
export interface ParsedFile {
  readonly name: string;
  readonly body: HclObject;
}

/** A file itself, or the configuration files of a folder in the order of their names. @throws ConfigError */
export function filesOf(path: string): readonly string[] {
  let isFolder: boolean;
  try {
    isFolder = statSync(path).isDirectory();
  } catch (error) {
    throw new ConfigError(path, undefined, `cannot be read: ${codeOf(error)}`);
  }
  if (!isFolder) return [path];
  try {
    return readdirSync(path)
      .filter((name) => /\.(hcl|json)$/.test(name) && !name.startsWith('.#'))
      .sort()
      .map((name) => join(path, name))
      .filter((name) => !statSync(name).isDirectory());
  } catch (error) {
    throw new ConfigError(path, undefined, `cannot be read: ${codeOf(error)}`);
  }
}

/** @throws ConfigError for what cannot be read or parsed */
export function parseFile(name: string): ParsedFile {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(name));
  } catch (error) {
    throw new ConfigError(name, undefined, `cannot be read: ${codeOf(error)}`);
  }
  return { name, body: parseHclOrJson(text, name) };
}
