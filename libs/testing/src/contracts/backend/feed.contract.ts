import { KEY_BYTES_MAX } from '@coffer/storage';
import type { AppliedBatch } from '@coffer/storage';
import { bytes, text, puts, deletes, outcome } from './trial.ts';
import type { SetUp } from './trial.ts';

/** What is told of writes. */
export function describeFeed({ store, write }: SetUp): void {
  describe('the feed', () => {
    it('tells every batch once, in order, with its keys', async () => {
      const told: AppliedBatch[] = [];
      store().subscribe((batch) => told.push(batch));
      const first = await write([...puts('a', 'b'), ...deletes('c')]);
      const second = await write(puts('a'));
      expect(told.map(({ index, keys }) => ({ index, keys: [...keys].sort() }))).toEqual([
        { index: first.index, keys: ['a', 'b', 'c'] },
        { index: second.index, keys: ['a'] },
      ]);
    });

    it('tells it when the new value is there and before the writer knows', async () => {
      const seen: (string | undefined)[] = [];
      const pending: Promise<unknown>[] = [];
      let acknowledged = false;
      store().subscribe(() => {
        expect(acknowledged).toBe(false);
        pending.push(Promise.resolve(store().get('a')).then((value) => seen.push(text(value))));
      });
      await write([{ kind: 'put', key: 'a', value: bytes('new') }]).then(() => {
        acknowledged = true;
      });
      await Promise.all(pending);
      expect(seen).toEqual(['new']);
    });

    it('never lets a value be seen that it has yet to tell of', async () => {
      let toldOf = -1;
      store().subscribe(() => {
        toldOf++;
      });
      for (let round = 0; round < 50; round++) {
        const written = write([{ kind: 'put', key: 'n', value: bytes(String(round)) }]);
        for (let look = 0; look < 5; look++) {
          const value = text(await store().get('n'));
          if (value !== undefined) expect(toldOf).toBeGreaterThanOrEqual(Number(value));
          await new Promise((resolve) => setImmediate(resolve));
        }
        await written;
      }
    });

    it('has as many listeners as there are, until each has enough', async () => {
      const heard: string[] = [];
      const stop = store().subscribe(() => heard.push('one'));
      store().subscribe(() => heard.push('two'));
      await write(puts('a'));
      stop();
      await write(puts('b'));
      expect(heard).toEqual(['one', 'two', 'two']);
    });

    it('tells nothing of what was refused', async () => {
      let told = 0;
      store().subscribe(() => told++);
      await outcome(() => store().write({ ops: puts('a'), epoch: -1 }));
      await outcome(() => write(puts('k'.repeat(KEY_BYTES_MAX + 1))));
      expect(told).toBe(0);
    });
  });
}
