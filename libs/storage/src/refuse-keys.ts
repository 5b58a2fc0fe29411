import { KEY_BYTES_MAX, StorageError } from './backend.ts';
import type { WriteOp } from './backend.ts';

/** Why a batch can never be written, if so; every store asks first. */
export function refuseKeys(ops: readonly WriteOp[]): StorageError | undefined {
  for (const { key } of ops) {
    // Half a surrogate pair has no bytes of its own: two keys would become one.
    if (!key.isWellFormed()) return new StorageError('conflict', 'a key is not valid Unicode');
    if (key.length * 3 <= KEY_BYTES_MAX || Buffer.byteLength(key) <= KEY_BYTES_MAX) continue;
    return new StorageError('too-large', 'a key is longer than keys may be');
  }
  return undefined;
}
