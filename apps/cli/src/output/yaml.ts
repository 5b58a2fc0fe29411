import { stringify } from 'yaml';
import type { ScalarTag } from 'yaml';
import { exactNumber } from '@coffer/api-client';

/** A number as it was written. */
class Exact {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

const exactTag: ScalarTag = {
  tag: 'tag:yaml.org,2002:float',
  default: true,
  identify: (value) => value instanceof Exact,
  resolve: (text) => new Exact(text),
  test: /(?!)/,
  stringify: ({ value }) => (value instanceof Exact ? value.text : String(value)),
};

/** As Vault's YAML: keys sorted, lists not indented below their key. Numbers stay as the server wrote them. */
export function toYaml(value: unknown): string {
  return stringify(plain(value), {
    sortMapEntries: true,
    indentSeq: false,
    lineWidth: 0,
    version: '1.1',
    customTags: (tags) => [exactTag, ...tags],
  }).trimEnd();
}

function plain(value: unknown): unknown {
  const exact = exactNumber(value);
  if (exact !== undefined) return new Exact(exact);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
}
