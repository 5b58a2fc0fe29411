import { StorageError } from '@coffer/storage';
import type { Reader } from '@coffer/storage';

/** Set at both ends while data moves, in the clear: no server may be started there meanwhile. */
export const MIGRATION_KEY = 'core/migration';

/** How far a migration is. */
export interface MigrationMarker {
  /** Of the migration, the same at both ends. */
  readonly id: string;
  readonly role: 'source' | 'destination';
  /** At the destination: up to which key (inclusive) everything is there. */
  readonly after?: string;
}

export const encodeMarker = (marker: MigrationMarker): Uint8Array => new TextEncoder().encode(JSON.stringify(marker));

/** @throws StorageError `corrupt` for what is none */
export async function readMarker(store: Reader): Promise<MigrationMarker | undefined> {
  const bytes = await store.get(MIGRATION_KEY);
  if (bytes === undefined) return undefined;
  try {
    const { id, role, after } = JSON.parse(new TextDecoder().decode(bytes)) as Partial<MigrationMarker>;
    if (typeof id === 'string' && (role === 'source' || role === 'destination'))
      return { id, role, ...(typeof after === 'string' ? { after } : {}) };
  } catch (cause) {
    throw new StorageError('corrupt', `the entry ${MIGRATION_KEY} cannot be read`, { cause });
  }
  throw new StorageError('corrupt', `the entry ${MIGRATION_KEY} is not of this program`);
}

/** What a server does at its start. @throws StorageError `conflict` while data moves from here or to here */
export async function refuseMigrating(store: Reader): Promise<void> {
  if ((await store.get(MIGRATION_KEY)) === undefined) return;
  throw new StorageError(
    'conflict',
    'this storage is being migrated: let "operator migrate" come to its end, or give it up by "operator migrate -reset"',
  );
}
