import type { StorageView } from '@coffer/sdk';
import { DEFAULT_VERSIONS_MAX, deletionMs, keyRecords, newKey, versionName, versionRecords } from './records.ts';
import type { KeyRecord, Kv2Config, VersionData, VersionRecord } from './records.ts';

/** Adds a version to a key and lets the oldest fall off; data and metadata of those that do are deleted. */
export function writeVersion(
  view: StorageView,
  path: string,
  before: KeyRecord | undefined,
  config: Kv2Config,
  data: VersionData,
  nowMs: number,
): KeyRecord {
  const key = before ?? newKey(nowMs);
  const currentVersion = key.currentVersion + 1;
  const kept = Math.max(key.maxVersions, config.maxVersions) || DEFAULT_VERSIONS_MAX;
  const added: VersionRecord = { createdMs: nowMs, deletedMs: deletionMs(nowMs, config, key), destroyed: false };
  const versions: Record<string, VersionRecord> = { ...key.versions, [currentVersion]: added };
  let { oldestVersion } = key;
  if (currentVersion - oldestVersion >= kept) {
    const first = currentVersion - kept + 1;
    for (const name of Object.keys(versions)) {
      const version = Number(name);
      if (version >= first) continue;
      delete versions[name];
      versionRecords.delete(view, versionName(path, version));
    }
    oldestVersion = first;
  }
  const after: KeyRecord = { ...key, currentVersion, oldestVersion, versions, updatedMs: nowMs };
  keyRecords.put(view, path, after);
  versionRecords.put(view, versionName(path, currentVersion), { data });
  return after;
}
