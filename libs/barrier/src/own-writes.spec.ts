import type { WriteOp } from '@coffer/storage';
import { OwnWrites } from './own-writes.ts';

const ops = (...keys: readonly string[]): WriteOp[] => keys.map((key) => ({ kind: 'delete', key }));

describe('own writes', () => {
  it('are the newest if nothing came after them', () => {
    const own = new OwnWrites();
    const [first, second] = [ops('a', 'b', 'c'), ops('b')];
    own.begin(first);
    own.applied({ index: 1, keys: ['a', 'b', 'c'] });
    own.begin(second);
    own.applied({ index: 2, keys: ['b'] });
    own.applied({ index: 3, keys: ['c', 'd'] });
    expect(own.end(first, 1)).toEqual(ops('a'));
    expect(own.end(second, 2)).toEqual(ops('b'));
    expect(own.size).toBe(0);
  });

  it('are not when everything was replaced after them', () => {
    const own = new OwnWrites();
    own.begin(ops('a'));
    own.applied({ index: 1, keys: ['a'] });
    own.applied({ index: 9, keys: [], everything: true });
    expect(own.end(ops('a'), 1)).toEqual([]);
  });

  it('are none if they failed, and nothing is kept of them', () => {
    const own = new OwnWrites();
    own.begin(ops('a', 'a', 'b'));
    expect(own.size).toBe(2);
    expect(own.end(ops('a', 'a', 'b'), undefined)).toEqual([]);
    expect(own.size).toBe(0);
  });
});
