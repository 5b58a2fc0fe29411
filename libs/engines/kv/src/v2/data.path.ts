import { whenReady } from '@coffer/kernel';
import type { MaybePromise } from '@coffer/kernel';
import { RequestError, badRequest, definePath, field } from '@coffer/sdk';
import type { ReadableView, RequestContext, Response } from '@coffer/sdk';
import { checkAndSet } from './check-and-set.ts';
import type { Kv2 } from './kv2.ts';
import { mergePatch } from './merge-patch.ts';
import { NO_CONFIG, configRecord, isGone, keyRecords, versionData, versionName, versionRecords } from './records.ts';
import type { KeyRecord, Kv2Config, VersionData } from './records.ts';
import { writeVersion } from './write-version.ts';

export const configOf = (view: ReadableView): MaybePromise<Kv2Config> =>
  whenReady(configRecord.get(view), (config) => config ?? NO_CONFIG);

/** Writes need a path that names a key. @throws RequestError */
export function refuseFolder(path: string): void {
  if (path === '') throw badRequest('missing path');
  if (path.endsWith('/')) throw badRequest("cannot write to a path ending in '/'");
}

/** A version, or the newest for 0 and below: its number, its key and its data; `data` is undefined where it may not be shown. */
export function readVersion(
  view: ReadableView,
  path: string,
  version: number,
  nowMs: number,
): MaybePromise<
  { readonly key: KeyRecord; readonly version: number; readonly data: VersionData | undefined } | undefined
> {
  return whenReady(keyRecords.get(view, path), (key) => {
    if (!key) return undefined;
    const wanted = version <= 0 ? key.currentVersion : version;
    const record = key.versions[wanted];
    if (!record) return undefined;
    if (isGone(record, nowMs)) return { key, version: wanted, data: undefined };
    return whenReady(versionRecords.get(view, versionName(path, wanted)), (stored) => {
      if (!stored) throw new RequestError('internal', 'the data of a version is missing');
      return { key, version: wanted, data: stored.data };
    });
  });
}

function dataOf(data: unknown): VersionData {
  if (data === undefined) throw badRequest('no data provided');
  // an empty list is a map of nothing, as Go decodes it
  if (Array.isArray(data) && data.length === 0) return {};
  if (data !== null && (typeof data !== 'object' || Array.isArray(data))) {
    throw badRequest(
      'Field validation failed: error converting input for field "data": expected type \'map[string]interface {}\'',
    );
  }
  return data as VersionData;
}

/** What was sent as `data`: `null` is not the same as nothing. */
const sentData = (context: RequestContext): unknown =>
  Object.hasOwn(context.request.data, 'data') ? context.request.data.data : undefined;

export const dataPath = definePath('data/:path*', {
  fields: {
    path: field.name('Location of the secret.'),
    data: field.any('The contents of the secret, a map.', { secret: true }),
    options: field.map('Options of a write: `cas`, the version that must be the current one.'),
    version: field.int('The version to read; the newest if left out.', { default: 0 }),
  },
  help: {
    synopsis: 'Writes, patches, reads and deletes versions of a secret.',
    description:
      'Each write makes a version. With `cas` in `options`, a write succeeds only if that version is the current one (0: there is none yet).',
  },
  exists: (_: Kv2, { path }, { view }) => keyRecords.has(view, path),
  read: {
    summary: 'Read a version',
    handler: (_: Kv2, { path, version }, { view, nowMs }): MaybePromise<Response | undefined> =>
      whenReady(readVersion(view, path, version, nowMs), (found) => {
        if (!found) return undefined;
        const metadata = versionData(found.key, found.version);
        if (found.data === undefined) return { status: 404, data: { data: null, metadata } };
        return { data: { data: found.data, metadata } };
      }),
  },
  update: {
    summary: 'Write a new version',
    handler: (_: Kv2, { path, options }, context): MaybePromise<Response> => {
      const { view, nowMs } = context;
      refuseFolder(path);
      const data = dataOf(sentData(context));
      return whenReady(configOf(view), (config) =>
        whenReady(keyRecords.get(view, path), (key): Response => {
          checkAndSet(options, config, key);
          const after = writeVersion(view, path, key, config, data, nowMs);
          return { data: versionData(after, after.currentVersion) };
        }),
      );
    },
  },
  patch: {
    summary: 'Merge into the newest version (RFC 7396)',
    handler: async (_: Kv2, { path, options }, context): Promise<Response> => {
      const { view, nowMs } = context;
      refuseFolder(path);
      const patch = dataOf(sentData(context)) ?? {};
      const found = await readVersion(view, path, 0, nowMs);
      if (!found) throw new RequestError('not-found');
      if (found.data === undefined) return { status: 404, data: versionData(found.key, found.version) };
      const config = await configOf(view);
      checkAndSet(options, config, found.key);
      const merged = mergePatch(found.data, patch) as VersionData;
      const after = writeVersion(view, path, found.key, config, merged, nowMs);
      return { data: versionData(after, after.currentVersion) };
    },
  },
  delete: {
    summary: 'Delete the newest version; it can be undeleted',
    handler: async (_: Kv2, { path }, { view, nowMs }): Promise<undefined> => {
      const key = await keyRecords.get(view, path);
      const record = key?.versions[key.currentVersion];
      if (!key || !record || isGone(record, nowMs)) return;
      const versions = { ...key.versions, [key.currentVersion]: { ...record, deletedMs: nowMs } };
      keyRecords.put(view, path, { ...key, versions });
    },
  },
});
