import { badRequest, coerce, definePath, field, listResponse, pageFields, pageOf } from '@coffer/sdk';
import type { EngineType, MountContext, Response } from '@coffer/sdk';
import { whenReady } from '@coffer/kernel';
import type { MaybePromise } from '@coffer/kernel';
import { folderOf } from '../folder-of.ts';
import { isPaged, scanBelow } from '../scan-below.ts';
import { scanResponse } from '../scan-response.ts';
import { entryRecords } from './entry-records.ts';
import type { Entry } from './entry-records.ts';

/** KV version 1: values as they are, the last one only. */
export interface Kv1 {
  readonly mount: MountContext;
}

const entryPath = definePath(':path*', {
  fields: { path: field.name('Location of the secret.'), ...pageFields },
  help: {
    synopsis: 'Reads, writes, lists and deletes secrets.',
    description:
      'Any fields may be written; all are replaced by the next write. `ttl` or `lease` sets the lease duration that readers are told.',
  },
  arbitraryFields: true,
  exists: (_: Kv1, { path }, { view }) => entryRecords.has(view, path),
  read: {
    summary: 'Read a secret',
    handler: ({ mount }: Kv1, { path }, { view }): MaybePromise<Response | undefined> =>
      whenReady(
        entryRecords.get(view, path),
        (entry) => entry && { data: entry, lease: { id: '', durationSeconds: hintOf(entry, mount), renewable: false } },
      ),
  },
  update: {
    summary: 'Write a secret',
    handler: (_: Kv1, { path }, { view, request }): undefined => {
      if (path === '') throw badRequest('missing path');
      if (path.endsWith('/')) throw badRequest("cannot write to a path ending in '/'");
      if (Object.keys(request.data).length === 0) throw badRequest('missing data fields');
      entryRecords.put(view, path, request.data);
    },
  },
  delete: {
    summary: 'Delete a secret',
    handler: (_: Kv1, { path }, { view }): undefined => {
      entryRecords.delete(view, path);
    },
  },
  list: {
    summary: 'List the secrets of a folder',
    handler: (_: Kv1, { path, ...page }, { view }) =>
      whenReady(entryRecords.list(view, folderOf(path), pageOf(page)), (keys) => listResponse(keys)),
  },
  scan: {
    summary: 'List all secrets below a folder',
    handler: async (_: Kv1, { path, ...page }, { view }) =>
      scanResponse(await scanBelow(view, entryRecords.key(folderOf(path)), pageOf(page)), isPaged(page)),
  },
});

const ttlField = field.signedDuration('A hint for readers.');

/** What readers are told: the entry's own `ttl` or `lease`, if it can be read as a duration; else the mount's default. */
function hintOf(entry: Entry, mount: MountContext): number {
  const name = ['ttl', 'lease'].find((candidate) => Object.hasOwn(entry, candidate));
  const hint = name === undefined ? undefined : entry[name];
  if (name !== undefined && (hint === null || hint === '')) return 0;
  if (typeof hint === 'string' || typeof hint === 'number') {
    try {
      const seconds = coerce('ttl', ttlField, hint);
      if (typeof seconds === 'number') return seconds;
    } catch {
      // Any value may be written under these names: one that is no duration is no hint.
      return mount.system.defaultLeaseTtlSeconds();
    }
  }
  return mount.system.defaultLeaseTtlSeconds();
}

export const kv1Type: EngineType<Kv1> = {
  help: {
    synopsis: 'Key/value store, version 1.',
    description: 'Keeps what is written under any path, the last write only.',
  },
  paths: [entryPath],
  create: (mount) => ({ mount }),
};
