import { badRequest, definePath, field } from '@coffer/sdk';
import type { StorageView } from '@coffer/sdk';
import type { Kv2 } from './kv2.ts';
import { configOf } from './data.path.ts';
import { deletionMs, isGone, keyRecords, versionName, versionRecords } from './records.ts';
import type { KeyRecord, VersionRecord } from './records.ts';

type Change = (record: VersionRecord, version: number, key: KeyRecord) => VersionRecord;

const fields = {
  path: field.name('Location of the secret.'),
  versions: field.commaInts('The versions, by number.'),
};

/** Changes the named versions of a key that exist. */
async function changeVersions(
  view: StorageView,
  path: string,
  versions: readonly number[] | undefined,
  change: Change,
): Promise<undefined> {
  if (!versions || versions.length === 0) throw badRequest('No version number provided');
  const key = await keyRecords.get(view, path);
  if (!key) return;
  const changed: Record<string, VersionRecord> = { ...key.versions };
  for (const version of versions) {
    const record = changed[version];
    if (record && !record.destroyed) changed[version] = change(record, version, key);
  }
  keyRecords.put(view, path, { ...key, versions: changed });
}

export const deletePath = definePath('delete/:path*', {
  fields,
  help: { synopsis: 'Marks versions of a secret as deleted; they can be undeleted.' },
  update: {
    summary: 'Delete versions',
    handler: (_: Kv2, { path, versions }, { view, nowMs }) =>
      changeVersions(view, path, versions, (record) =>
        isGone(record, nowMs) ? record : { ...record, deletedMs: nowMs },
      ),
  },
});

export const undeletePath = definePath('undelete/:path*', {
  fields,
  help: { synopsis: 'Brings deleted versions of a secret back.' },
  update: {
    summary: 'Undelete versions',
    handler: async (_: Kv2, { path, versions }, { view, nowMs }) => {
      // what deletes new versions by their age deletes one that was brought back, too
      const config = await configOf(view);
      return changeVersions(view, path, versions, (record, _version, key) => ({
        ...record,
        deletedMs: deletionMs(nowMs, config, key),
      }));
    },
  },
});

export const destroyPath = definePath('destroy/:path*', {
  fields,
  help: { synopsis: 'Removes the data of versions of a secret for good.' },
  update: {
    summary: 'Destroy versions',
    handler: (_: Kv2, { path, versions }, { view }) =>
      changeVersions(view, path, versions, (record, version) => {
        versionRecords.delete(view, versionName(path, version));
        return { ...record, destroyed: true };
      }),
  },
});
