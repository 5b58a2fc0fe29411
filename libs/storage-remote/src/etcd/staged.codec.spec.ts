import { decodeChanges, encodeChanges, portions } from './staged.codec.ts';
import type { Change } from './staged.codec.ts';

describe('staged changes', () => {
  it('come back as they were, deletions and empty values told apart', () => {
    const changes: Change[] = [
      ['a', Buffer.from('value')],
      ['empty', Buffer.alloc(0)],
      ['gone', undefined],
      ['ünï/\u{1f511}', Buffer.from([0, 255])],
    ];
    expect(decodeChanges(encodeChanges(changes))).toEqual(changes);
    expect(decodeChanges(Buffer.alloc(0))).toEqual([]);
  });

  it('are refused where they are cut off', () => {
    const bytes = encodeChanges([['key', Buffer.from('value')]]);
    for (let length = 1; length < bytes.length; length++)
      expect(() => decodeChanges(bytes.subarray(0, length))).toThrow(RangeError);
  });

  it('are split by bytes and by number, in order, none left out', () => {
    const changes: Change[] = Array.from({ length: 20 }, (_, index) => [`k${String(index)}`, Buffer.alloc(index * 10)]);
    for (const [bytesMax, keysMax] of [
      [1, 100],
      [200, 100],
      [1e6, 3],
      [1e6, 100],
    ] as const) {
      const parts = portions(changes, bytesMax, keysMax);
      expect(parts.flat()).toEqual(changes);
      for (const part of parts) {
        expect(part.length).toBeLessThanOrEqual(keysMax);
        if (part.length > 1) expect(encodeChanges(part).length).toBeLessThanOrEqual(bytesMax);
      }
    }
  });
});
