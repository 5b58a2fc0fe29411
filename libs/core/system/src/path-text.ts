import { parsePattern } from '@coffer/sdk';
import type { PathDeclaration } from '@coffer/sdk';

const escaped = (text: string): string => text.replace(/[.~]/g, (character) => `\\${character}`);

const WORD = '\\w(([\\w-.]+)?\\w)?';

/** A pattern as Vault shows its routes: a regular expression in Go's syntax. For people only; nothing is matched by it. */
export function routeText({ pattern, fields }: Pick<PathDeclaration, 'pattern' | 'fields'>): string {
  const one = (name: string): string => `(?P<${name}>${fields[name]?.word ? WORD : '[^/]+'})`;
  let text = '';
  for (const segment of parsePattern(pattern)) {
    const slash = text === '' ? '' : '/';
    if (segment.kind === 'literal') text += slash + escaped(segment.text);
    else if (segment.kind === 'rest') text += `${slash}(?P<${segment.name}>.*)`;
    else if (segment.optional) text += `(?:${slash}${one(segment.name)})?`;
    else text += `${slash}${one(segment.name)}`;
  }
  return `^${text}$`;
}

/** One OpenAPI path that a pattern stands for. */
export interface PathTemplate {
  /** `data/{path}`. */
  readonly template: string;
  readonly parameters: readonly string[];
  /** The literal segments, for names of operations. */
  readonly words: readonly string[];
}

/** A pattern as OpenAPI path templates (two, where its last part may be missing). */
export function pathTemplates(pattern: string): readonly PathTemplate[] {
  const segments = parsePattern(pattern);
  const make = (used: typeof segments): PathTemplate => ({
    template: used.map((segment) => (segment.kind === 'literal' ? segment.text : `{${segment.name}}`)).join('/'),
    parameters: used.flatMap((segment) => (segment.kind === 'literal' ? [] : [segment.name])),
    words: used.flatMap((segment) => (segment.kind === 'literal' ? [segment.text] : [`by-${segment.name}`])),
  });
  const last = segments.at(-1);
  const mayEnd = last !== undefined && last.kind === 'one' && last.optional;
  return mayEnd ? [make(segments.slice(0, -1)), make(segments)] : [make(segments)];
}
