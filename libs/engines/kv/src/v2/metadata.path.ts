import { formatDuration, whenReady } from '@coffer/kernel';
import { RequestError, badRequest, coerce, definePath, field, listResponse, pageFields, pageOf } from '@coffer/sdk';
import type { ReadableView, RequestContext, Response } from '@coffer/sdk';
import { folderOf } from '../folder-of.ts';
import { isPaged, scanBelow } from '../scan-below.ts';
import { scanResponse } from '../scan-response.ts';
import { checkAndSetMetadata } from './check-and-set.ts';
import { checkCustomMetadata } from './custom-metadata.ts';
import { configOf, refuseFolder } from './data.path.ts';
import type { Kv2 } from './kv2.ts';
import { mergePatch } from './merge-patch.ts';
import { keyRecords, newKey, timeText, versionName, versionRecords } from './records.ts';
import type { KeyRecord, Kv2Config } from './records.ts';

function keyData(key: KeyRecord): Record<string, unknown> {
  const versions = Object.entries(key.versions).map(([version, record]) => [
    version,
    {
      created_time: timeText(record.createdMs),
      deletion_time: timeText(record.deletedMs),
      destroyed: record.destroyed,
    },
  ]);
  return {
    cas_required: key.casRequired,
    created_time: timeText(key.createdMs),
    current_metadata_version: key.metadataVersion,
    current_version: key.currentVersion,
    custom_metadata: key.customMetadata,
    delete_version_after: formatDuration(key.deleteVersionAfterSeconds),
    max_versions: key.maxVersions,
    metadata_cas_required: key.metadataCasRequired,
    oldest_version: key.oldestVersion,
    updated_time: timeText(key.updatedMs),
    versions: Object.fromEntries(versions) as unknown,
  };
}

const fields = {
  path: field.name('Location of the secret.'),
  cas_required: field.bool('Whether every write of this key must name the current version.'),
  custom_metadata: field.any('Texts to keep beside the key, a map.'),
  delete_version_after: field.any('How long new versions live.'),
  max_versions: field.int('How many versions the key keeps.'),
  metadata_cas: field.int('The version of the metadata that must be the current one.'),
  metadata_cas_required: field.bool('Whether every write of this metadata must name its current version.'),
  ...pageFields,
};

const SETTINGS = [
  'cas_required',
  'custom_metadata',
  'delete_version_after',
  'max_versions',
  'metadata_cas_required',
] as const;

const durationField = field.signedDuration('How long new versions live.');

function ageOf(sent: unknown): number | undefined {
  if (sent === undefined || sent === null) return undefined;
  const seconds = coerce('delete_version_after', durationField, sent);
  return typeof seconds === 'number' ? Math.max(-1, seconds) : undefined;
}

/** A field that a patch sets to null goes back to its default. */
const isNull = (context: RequestContext, name: string): boolean =>
  Object.hasOwn(context.request.data, name) && context.request.data[name] === null;

/** Nothing to set, nothing to write: a key does not come to be by asking for no change. */
const setsNothing = (sent: Partial<Record<(typeof SETTINGS)[number], unknown>>, context: RequestContext): boolean =>
  SETTINGS.every((name) => sent[name] === undefined && !isNull(context, name));

/** What the mount asks of all keys cannot be taken from one. */
function warnOfMandates(
  sent: { readonly cas_required?: boolean | undefined; readonly metadata_cas_required?: boolean | undefined },
  config: Kv2Config,
  warn: (text: string) => void,
): void {
  const mandated = 'set to false, but is mandated by backend config. This value will be ignored.';
  if (sent.cas_required === false && config.casRequired) warn(`"cas_required" ${mandated}`);
  if (sent.metadata_cas_required === false && config.metadataCasRequired) warn(`"metadata_cas_required" ${mandated}`);
}

/** No texts are none. */
const orNone = (custom: Readonly<Record<string, string>>): KeyRecord['customMetadata'] =>
  Object.keys(custom).length === 0 ? null : custom;

export const metadataPath = definePath('metadata/:path*', {
  fields,
  help: {
    synopsis: 'Lists secrets; reads, writes, patches and deletes their metadata.',
    description: 'Deleting the metadata of a secret removes the secret with all its versions.',
  },
  exists: (_: Kv2, { path }, { view }) => keyRecords.has(view, path),
  read: {
    summary: 'The metadata of a secret',
    handler: (_: Kv2, { path }, { view }) =>
      whenReady(keyRecords.get(view, path), (key): Response | undefined => key && { data: keyData(key) }),
  },
  update: {
    summary: 'Write metadata; what is left out stays',
    handler: async (_: Kv2, sent, context): Promise<undefined> => {
      const { view, nowMs, warn } = context;
      refuseFolder(sent.path);
      if (setsNothing(sent, context)) return undefined;
      const config = await configOf(view);
      const before = await keyRecords.get(view, sent.path);
      const custom = sent.custom_metadata === undefined ? undefined : checkCustomMetadata(sent.custom_metadata);
      checkAndSetMetadata(sent.metadata_cas, config, before);
      warnOfMandates(sent, config, warn);
      const age = ageOf(sent.delete_version_after);
      const key = before ?? newKey(nowMs);
      keyRecords.put(view, sent.path, {
        ...key,
        maxVersions: isNull(context, 'max_versions') ? 0 : Math.max(0, sent.max_versions ?? key.maxVersions),
        casRequired: isNull(context, 'cas_required') ? false : (sent.cas_required ?? key.casRequired),
        metadataCasRequired: isNull(context, 'metadata_cas_required')
          ? false
          : (sent.metadata_cas_required ?? key.metadataCasRequired),
        deleteVersionAfterSeconds: age ?? key.deleteVersionAfterSeconds,
        customMetadata: custom === undefined ? key.customMetadata : orNone(custom),
        metadataVersion: key.metadataVersion + 1,
        updatedMs: nowMs,
      });
    },
  },
  patch: {
    summary: 'Merge into the metadata (RFC 7396)',
    handler: async (_: Kv2, sent, context): Promise<undefined> => {
      const { view, nowMs, warn } = context;
      if (setsNothing(sent, context)) return undefined;
      const config = await configOf(view);
      const key = await keyRecords.get(view, sent.path);
      if (!key) throw new RequestError('not-found');
      warnOfMandates(sent, config, warn);
      checkAndSetMetadata(sent.metadata_cas, config, key);
      keyRecords.put(view, sent.path, {
        ...key,
        maxVersions: isNull(context, 'max_versions') ? 0 : Math.max(0, sent.max_versions ?? key.maxVersions),
        casRequired: isNull(context, 'cas_required') ? false : (sent.cas_required ?? key.casRequired),
        metadataCasRequired: isNull(context, 'metadata_cas_required')
          ? false
          : (sent.metadata_cas_required ?? key.metadataCasRequired),
        deleteVersionAfterSeconds: ageOf(sent.delete_version_after) ?? key.deleteVersionAfterSeconds,
        customMetadata: patchedCustom(context, key),
        metadataVersion: key.metadataVersion + 1,
        updatedMs: nowMs,
      });
    },
  },
  delete: {
    summary: 'Delete a secret with all its versions',
    handler: async (_: Kv2, { path }, { view }): Promise<undefined> => {
      const key = await keyRecords.get(view, path);
      if (!key) return;
      for (const version of Object.keys(key.versions)) versionRecords.delete(view, versionName(path, Number(version)));
      keyRecords.delete(view, path);
    },
  },
  list: {
    summary: 'List the secrets of a folder',
    handler: (_: Kv2, { path, ...page }, { view }) =>
      whenReady(keyRecords.list(view, folderOf(path), pageOf(page)), (keys) => listResponse(keys)),
  },
  scan: {
    summary: 'List all secrets below a folder',
    handler: async (_: Kv2, { path, ...page }, { view }) =>
      scanResponse(await scanBelow(view, keyRecords.key(folderOf(path)), pageOf(page)), isPaged(page)),
  },
});

function patchedCustom(context: RequestContext, key: KeyRecord): KeyRecord['customMetadata'] {
  if (isNull(context, 'custom_metadata')) return null;
  if (!Object.hasOwn(context.request.data, 'custom_metadata')) return key.customMetadata;
  const patch = context.request.data.custom_metadata;
  if (typeof patch !== 'object' || patch === null)
    throw badRequest('error converting input for field "custom_metadata": expected a map of strings');
  return orNone(checkCustomMetadata(mergePatch(key.customMetadata ?? {}, patch)));
}

const detailedFields = { path: field.name('A folder.'), ...pageFields };

async function details(
  view: ReadableView,
  folder: string,
  names: readonly string[],
): Promise<Readonly<Record<string, unknown>>> {
  const info: [string, unknown][] = [];
  for (const name of names) {
    const key = name.endsWith('/') ? undefined : await keyRecords.get(view, folder + name);
    info.push([name, key ? keyData(key) : {}]);
  }
  return Object.fromEntries(info);
}

export const detailedMetadataPath = definePath('detailed-metadata/:path*', {
  fields: detailedFields,
  help: { synopsis: 'Lists secrets together with their metadata.' },
  list: {
    summary: 'List the secrets of a folder, with metadata',
    handler: async (_: Kv2, { path, ...page }, { view }) => {
      const folder = folderOf(path);
      const names = await keyRecords.list(view, folder, pageOf(page));
      return listResponse(names, await details(view, folder, names));
    },
  },
  scan: {
    summary: 'List all secrets below a folder, with metadata',
    handler: async (_: Kv2, { path, ...page }, { view }) => {
      const folder = folderOf(path);
      const names = await scanBelow(view, keyRecords.key(folder), pageOf(page));
      return scanResponse(names, isPaged(page), await details(view, folder, names));
    },
  },
});
