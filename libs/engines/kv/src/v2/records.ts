import { collection, singleton } from '@coffer/sdk';

/** Without a limit of its own, a key keeps so many versions. */
export const DEFAULT_VERSIONS_MAX = 10;

/** Settings of a mount. Durations in seconds; negative: never deleted by age. */
export interface Kv2Config {
  readonly maxVersions: number;
  readonly casRequired: boolean;
  readonly metadataCasRequired: boolean;
  readonly deleteVersionAfterSeconds: number;
}

export const NO_CONFIG: Kv2Config = {
  maxVersions: 0,
  casRequired: false,
  metadataCasRequired: false,
  deleteVersionAfterSeconds: 0,
};

/** Times in milliseconds since 1970; `deletedMs` may lie ahead (delete_version_after), 0 is none. */
export interface VersionRecord {
  readonly createdMs: number;
  readonly deletedMs: number;
  readonly destroyed: boolean;
}

/** All about a key but the data of its versions. */
export interface KeyRecord {
  readonly createdMs: number;
  readonly updatedMs: number;
  readonly currentVersion: number;
  /** 0 until versions have fallen off. */
  readonly oldestVersion: number;
  readonly maxVersions: number;
  readonly casRequired: boolean;
  readonly metadataCasRequired: boolean;
  readonly deleteVersionAfterSeconds: number;
  readonly customMetadata: Readonly<Record<string, string>> | null;
  readonly metadataVersion: number;
  /** By version number. */
  readonly versions: Readonly<Record<string, VersionRecord>>;
}

export type VersionData = Readonly<Record<string, unknown>> | null;

export const configRecord = singleton<Kv2Config>('config');
export const keyRecords = collection<KeyRecord>('metadata/');
/** Named `<path>/<version>`: the last segment is always the version. */
export const versionRecords = collection<{ readonly data: VersionData }>('versions/');

export const versionName = (path: string, version: number): string => `${path}/${String(version)}`;

export function newKey(nowMs: number): KeyRecord {
  return {
    createdMs: nowMs,
    updatedMs: nowMs,
    currentVersion: 0,
    oldestVersion: 0,
    maxVersions: 0,
    casRequired: false,
    metadataCasRequired: false,
    deleteVersionAfterSeconds: 0,
    customMetadata: null,
    metadataVersion: 0,
    versions: {},
  };
}

/** RFC 3339, or '' for none. */
export const timeText = (milliseconds: number): string =>
  milliseconds === 0 ? '' : new Date(milliseconds).toISOString();

/** A version's metadata, as reads and writes of data show it. */
export function versionData(key: KeyRecord, version: number): Record<string, unknown> {
  const record = key.versions[version];
  return {
    created_time: timeText(record?.createdMs ?? 0),
    custom_metadata: key.customMetadata,
    deletion_time: timeText(record?.deletedMs ?? 0),
    destroyed: record?.destroyed ?? false,
    version,
  };
}

/** Whether a version's data may not be shown. */
export const isGone = (record: VersionRecord, nowMs: number): boolean =>
  record.destroyed || (record.deletedMs !== 0 && record.deletedMs <= nowMs);

/**
 * When a new version is to be deleted, in milliseconds since 1970, or 0: the shorter of the mount's and the key's
 * limits; a negative one of either switches it off there.
 */
export function deletionMs(nowMs: number, config: Kv2Config, key: KeyRecord): number {
  const limits = [config.deleteVersionAfterSeconds, key.deleteVersionAfterSeconds].filter((seconds) => seconds > 0);
  if (limits.length === 0 || config.deleteVersionAfterSeconds < 0) return 0;
  return nowMs + Math.min(...limits) * 1000;
}
