import type { WriteOp } from '@coffer/storage';
import { END, byBytes, puts, deletes } from './trial.ts';
import type { SetUp } from './trial.ts';

/** What lies between two keys. */
export function describeRanges({ store, write }: SetUp): void {
  describe('a range of keys', () => {
    it('goes from the first (inclusive) to the last (exclusive), in the order of bytes, across folders', async () => {
      await write(puts('due/2', 'due/1/b', 'due/1/a', 'due/3', 'due', 'other'));
      expect(await store().keys({ from: 'due/1/b', to: 'due/3' })).toEqual(['due/1/b', 'due/2']);
      expect(await store().keys({ from: 'due/', to: 'due0' })).toEqual(['due/1/a', 'due/1/b', 'due/2', 'due/3']);
      expect(await store().keys({ from: '', to: END })).toHaveLength(6);
      expect(await store().keys({ from: 'due/3', to: 'due/3' })).toEqual([]);
      expect(await store().keys({ from: 'x', to: 'a' })).toEqual([]);
    });

    it('holds at most as many as asked for: the first ones', async () => {
      await write(puts('k/1', 'k/2', 'k/3'));
      expect(await store().keys({ from: 'k/', to: 'k0', limit: 2 })).toEqual(['k/1', 'k/2']);
      expect(await store().keys({ from: 'k/', to: 'k0', limit: 9 })).toHaveLength(3);
      expect(await store().keys({ from: 'k/', to: 'k0', limit: 0 })).toEqual([]);
    });

    it('agrees with a model, whatever was written and deleted', async () => {
      const model = new Set<string>();
      let state = 3;
      const chance = (below: number): number => {
        state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
        return (state >> 8) % below;
      };
      for (let batch = 0; batch < 40; batch++) {
        const ops: WriteOp[] = [];
        for (let op = chance(20); op >= 0; op--) {
          const key = ['r', 'a', 'b', 'c'].slice(0, 1 + chance(4)).join('/') + String(chance(30));
          if (chance(3) === 0) {
            ops.push(...deletes(key));
            model.delete(key);
          } else {
            ops.push(...puts(key));
            model.add(key);
          }
        }
        await write(ops);
        expect(await store().keys({ from: '', to: END })).toEqual([...model].sort(byBytes));
      }
    });
  });
}
