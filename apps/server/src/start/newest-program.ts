import type { Reader } from '@coffer/storage';
import type { BeforeLeading } from '@coffer/storage-remote';
import { isNewer, parseProgramVersion, refuseDowngrade } from './version-guard.ts';
import type { ProgramVersion } from './version-guard.ts';

/** In a database, what `version.json` is in a folder: the newest program that has written there. In the clear. */
export const NEWEST_PROGRAM_KEY = 'core/newest-program';

/**
 * What keeps a program that is too old from a database. It is asked when the storage is opened and before a node leads; the
 * record is the first thing that a newer program writes when it leads, so that nothing of a later form is there without it.
 * A downgrade within one format works, and is allowed.
 */
export function programGuard(program: ProgramVersion): BeforeLeading {
  return {
    admit: async (store) => {
      refuseDowngrade(await readNewest(store), program, 'in this database was last written', 'backup');
    },
    firstWrite: async (store) => {
      const newest = await readNewest(store);
      if (newest && !isNewer(program, newest)) return [];
      const { version, format } = program;
      const value = new TextEncoder().encode(JSON.stringify({ version, format }));
      return [{ kind: 'put', key: NEWEST_PROGRAM_KEY, value }];
    },
  };
}

async function readNewest(store: Reader): Promise<ProgramVersion | undefined> {
  const bytes = await store.get(NEWEST_PROGRAM_KEY);
  return bytes && parseProgramVersion(new TextDecoder().decode(bytes), `the entry ${NEWEST_PROGRAM_KEY}`);
}
