import { StorageError } from '@coffer/storage';
import { UNUSUAL_KEYS, END, text, puts, deletes, outcome } from './trial.ts';
import type { SetUp } from './trial.ts';

/** What is left when a store is closed. */
export function describeEnd({ store, made, write }: SetUp): void {
  describe('the end', () => {
    it('refuses reads and writes once it is closed', async () => {
      await write(puts('a'));
      const epoch = made().epoch();
      await store().close();
      const refused = [
        await outcome(() => store().get('a')),
        await outcome(() => store().list('')),
        await outcome(() => store().keys({ from: '', to: END })),
        await outcome(() => store().write({ ops: puts('b'), epoch })),
      ];
      for (const answer of refused) expect(answer).toBeInstanceOf(StorageError);
    });

    it('may come twice', async () => {
      await store().close();
      await store().close();
    });

    it('loses nothing that was acknowledged, where the store outlives its process', async () => {
      const { reopen } = made();
      if (!reopen) return;
      await write([...puts('a', 'f/b', 'f/c/d'), ...puts(...UNUSUAL_KEYS)]);
      await write(deletes('a'));
      const before = store().appliedIndex();
      const reopened = await reopen();
      expect(reopened.appliedIndex()).toBeGreaterThanOrEqual(before);
      expect(await reopened.get('a')).toBeUndefined();
      expect(await reopened.list('f/')).toEqual(['b', 'c/']);
      for (const key of UNUSUAL_KEYS) expect(text(await reopened.get(key))).toBe(`value of ${key}`);
    });
  });
}
