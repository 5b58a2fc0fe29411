import type { StorageView } from '@coffer/sdk';

/** Below the system mount: one entry a version. */
export const VERSIONS = 'version-history/';

/** When the cluster first ran a version. */
export interface VersionRecord {
  /** Milliseconds since 1970. */
  readonly installedMs: number;
  readonly previous: string | null;
  readonly buildDate: string;
}

/** Called when a node becomes active: remembers its version, if it is new. */
export async function recordVersion(
  view: StorageView,
  running: { readonly version: string; readonly buildDate: string },
  nowMs: number,
): Promise<void> {
  const key = VERSIONS + running.version;
  if (await view.getJson<VersionRecord>(key)) return;
  const known = await versionsOf(view);
  const last = known.at(-1);
  view.putJson(key, {
    installedMs: nowMs,
    previous: last ? last.version : null,
    buildDate: running.buildDate,
  } satisfies VersionRecord);
}

/** All versions so far, oldest first. */
export async function versionsOf(
  view: Pick<StorageView, 'list' | 'getJson'>,
): Promise<readonly (VersionRecord & { readonly version: string })[]> {
  const found: (VersionRecord & { readonly version: string })[] = [];
  for (const version of await view.list(VERSIONS)) {
    const record = await view.getJson<VersionRecord>(VERSIONS + version);
    if (record) found.push({ ...record, version });
  }
  return found.sort((a, b) => a.installedMs - b.installedMs);
}
