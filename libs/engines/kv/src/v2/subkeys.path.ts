import { definePath, field, isRawJson } from '@coffer/sdk';
import type { Response } from '@coffer/sdk';
import { readVersion } from './data.path.ts';
import type { Kv2 } from './kv2.ts';
import { versionData } from './records.ts';

/** The names in a secret, without its values: what is no object, is empty or lies deeper than `depth` becomes null. */
export function subkeysOf(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || isRawJson(value)) return null;
  const entries = Object.entries(value);
  if (depth === 0 || entries.length === 0) return null;
  return Object.fromEntries(entries.map(([name, inner]) => [name, subkeysOf(inner, depth - 1)]));
}

export const subkeysPath = definePath('subkeys/:path*', {
  fields: {
    path: field.name('Location of the secret.'),
    version: field.int('The version; the newest if left out.', { default: 0 }),
    depth: field.int('How deep to go; 0 for all the way.', { default: 0 }),
  },
  help: { synopsis: 'Reads the structure of a secret without its values.' },
  read: {
    summary: 'The names in a secret',
    handler: async (_: Kv2, { path, version, depth }, { view, nowMs }): Promise<Response | undefined> => {
      const found = await readVersion(view, path, version, nowMs);
      if (!found) return undefined;
      const metadata = versionData(found.key, found.version);
      if (found.data === undefined) return { status: 404, data: { metadata, subkeys: null } };
      const levels = depth > 0 ? depth : Number.POSITIVE_INFINITY;
      const subkeys = found.data === null ? null : (subkeysOf(found.data, levels) ?? {});
      return { data: { metadata, subkeys } };
    },
  },
});
