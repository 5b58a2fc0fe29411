import type { MountContext } from '@coffer/sdk';
import { entryRecords } from '../v1/entry-records.ts';
import { NO_CONFIG, keyRecords } from './records.ts';
import { writeVersion } from './write-version.ts';

const KEYS_PER_BATCH = 100;

/**
 * Turns the entries of version 1 into first versions, some at a time: each batch writes versions and deletes the old
 * entries, so a crash in between loses nothing and the next start goes on where it was.
 */
export async function upgradeToVersion2(mount: MountContext): Promise<void> {
  const range = { from: entryRecords.prefix, to: `${entryRecords.prefix}\u{10ffff}`, limit: KEYS_PER_BATCH };
  while ((await mount.view.keys({ ...range, limit: 1 })).length > 0) {
    await mount.transact(async (view) => {
      for (const key of await view.keys(range)) {
        const path = key.slice(entryRecords.prefix.length);
        const entry = await entryRecords.get(view, path);
        if (entry && !(await keyRecords.has(view, path))) {
          const key = writeVersion(view, path, undefined, NO_CONFIG, entry, mount.clock.nowMs());
          // there was room for one version only
          keyRecords.put(view, path, { ...key, oldestVersion: key.currentVersion });
        }
        entryRecords.delete(view, path);
      }
    });
    mount.signal.throwIfAborted();
  }
}
