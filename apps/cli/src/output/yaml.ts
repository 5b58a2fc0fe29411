import { stringify } from 'yaml';
import { exactNumber } from '@coffer/api-client';

/** As Vault's YAML: keys sorted, lists not indented below their key. */
export function toYaml(value: unknown): string {
  return stringify(plain(value), { sortMapEntries: true, indentSeq: false, lineWidth: 0, version: '1.1' }).trimEnd();
}

function plain(value: unknown): unknown {
  const exact = exactNumber(value);
  if (exact !== undefined) return Number(exact);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
}
