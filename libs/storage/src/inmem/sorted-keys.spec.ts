import { SortedKeys, compareKeys } from './sorted-keys.ts';

const inOrder = (keys: SortedKeys, from = ''): string[] => [...keys.from(from)];

describe('the order of keys', () => {
  const alphabet = [
    '',
    'a',
    'b',
    '/',
    '0',
    '\u0000',
    '\u007f',
    'é',
    '\ud7ff',
    '\ue000',
    '\uffff',
    '\u{10000}',
    '\u{10ffff}',
  ];

  it('is that of their UTF-8 bytes', () => {
    const all = alphabet.flatMap((first) => alphabet.map((second) => first + second));
    for (const left of all) {
      for (const right of all) {
        expect(Math.sign(compareKeys(left, right))).toBe(Buffer.compare(Buffer.from(left), Buffer.from(right)));
      }
    }
  });
});

describe('sorted keys', () => {
  it('hold what a sorted array would, whatever is added and removed', () => {
    const keys = new SortedKeys();
    const model = new Set<string>();
    let state = 7;
    for (let step = 0; step < 20_000; step++) {
      state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
      const key = `k/${String(state % 4000)}`;
      if (state % 3 === 0) {
        keys.delete(key);
        model.delete(key);
      } else {
        keys.add(key);
        model.add(key);
      }
    }
    const expected = [...model].sort(compareKeys);
    expect(inOrder(keys)).toEqual(expected);
    expect(inOrder(keys, 'k/2')).toEqual(expected.filter((key) => key >= 'k/2'));
    expect(keys.atOrAfter('k/2')).toBe(expected.find((key) => key >= 'k/2'));
    expect(keys.atOrAfter('l')).toBeUndefined();
    for (const key of model) keys.delete(key);
    expect(inOrder(keys)).toEqual([]);
    keys.add('again');
    expect(inOrder(keys)).toEqual(['again']);
    keys.clear();
    expect(keys.atOrAfter('')).toBeUndefined();
  });

  it('split blocks of keys that come in order, without losing any', () => {
    const keys = new SortedKeys();
    const expected = Array.from({ length: 5000 }, (_, index) => `k/${String(index).padStart(6, '0')}`);
    for (const key of expected) keys.add(key);
    for (const key of expected) keys.add(key);
    expect(inOrder(keys)).toEqual(expected);
  });
});
