import { bytes, puts, deletes } from './trial.ts';
import type { SetUp } from './trial.ts';

/** What is written together. */
export function describeBatches({ store, made, write, read }: SetUp): void {
  describe('a batch', () => {
    it('takes effect in the order of its operations', async () => {
      await write([
        { kind: 'put', key: 'a', value: bytes('one') },
        { kind: 'delete', key: 'a' },
        { kind: 'put', key: 'a', value: bytes('two') },
        { kind: 'put', key: 'b', value: bytes('one') },
        { kind: 'delete', key: 'b' },
        { kind: 'delete', key: 'never' },
      ]);
      expect(await read('a')).toBe('two');
      expect(await store().get('b')).toBeUndefined();
      expect(await store().list('')).toEqual(['a']);
    });

    it('is visible to values, listings and ranges as soon as it is acknowledged', async () => {
      for (let round = 0; round < 20; round++) {
        const key = `v/${String(round)}`;
        await write(puts(key));
        expect(await read(key)).toBe(`value of ${key}`);
        expect(await store().list('v/')).toContain(String(round));
        expect(await store().keys({ from: key, to: `${key}\u0000` })).toEqual([key]);
      }
    });

    it('is visible whole or not at all to a listing that goes on meanwhile', async () => {
      const both = ['pair/a', 'pair/b'];
      const sizes = new Set<number>();
      for (let round = 0; round < 30; round++) {
        const written = write(round % 2 === 0 ? puts(...both) : deletes(...both));
        const seen = await Promise.all([store().list('pair/'), store().keys({ from: 'pair/', to: 'pair0' })]);
        for (const names of seen) sizes.add(names.length);
        await written;
      }
      expect(sizes.has(1)).toBe(false);
    });

    it('may be large, or empty', async () => {
      await write([]);
      const keys = Array.from({ length: 2000 }, (_, index) => `many/${String(index)}`);
      await write(puts(...keys));
      expect(await store().list('many/')).toHaveLength(2000);
    });

    it('gets a higher index than all before it', async () => {
      let last = store().appliedIndex();
      for (let round = 0; round < 10; round++) {
        const { index } = await write(puts(`i/${String(round)}`));
        expect(index).toBeGreaterThan(last);
        expect(store().appliedIndex()).toBeGreaterThanOrEqual(index);
        last = index;
      }
    });

    it('takes effect in the order of the calls, without waiting for each', async () => {
      const written = Array.from({ length: 100 }, (_, round) =>
        write([{ kind: 'put', key: 'last', value: bytes(String(round)) }, ...puts(`each/${String(round)}`)]),
      );
      const indexes = (await Promise.all(written)).map(({ index }) => index);
      expect(indexes).toEqual([...indexes].sort((a, b) => a - b));
      expect(new Set(indexes).size).toBe(100);
      expect(await read('last')).toBe('99');
      expect(await store().list('each/')).toHaveLength(100);
    });

    it('is refused under another epoch, with nothing written', async () => {
      for (const epoch of [made().epoch() + 1, made().epoch() - 1]) {
        const batch = { ops: puts('a'), epoch };
        await expect(store().write(batch)).rejects.toMatchObject({ name: 'StorageError', code: 'epoch-lost' });
      }
      expect(await store().get('a')).toBeUndefined();
      await write(puts('a'));
    });

    it('is read after a read barrier', async () => {
      await write(puts('a'));
      await store().readBarrier();
      expect(await read('a')).toBe('value of a');
    });
  });
}
