import type { Transactor } from '@coffer/storage';

/** So many keys a batch: large enough to be quick, small enough not to hold up others. */
const KEYS_PER_BATCH = 512;

/** Deletes all keys below a prefix, in batches; may be repeated after a crash. */
export async function deleteBelow(transactor: Transactor, prefix: string): Promise<void> {
  const range = { from: prefix, to: `${prefix.slice(0, -1)}0`, limit: KEYS_PER_BATCH };
  for (;;) {
    const deleted = await transactor.run(async (transaction) => {
      const keys = await transaction.keys(range);
      for (const key of keys) transaction.delete(key);
      return keys.length;
    });
    if (deleted < KEYS_PER_BATCH) return;
  }
}
