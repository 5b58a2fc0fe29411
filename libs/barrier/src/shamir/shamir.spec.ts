import { systemRandom } from '@coffer/kernel';
import type { Random } from '@coffer/kernel';
import { combine, split } from './shamir.ts';

const hex = (value: Uint8Array): string => Buffer.from(value).toString('hex');
const unhex = (value: string): Uint8Array => new Uint8Array(Buffer.from(value, 'hex'));

/** All choices of so many out of some. */
function* choices<T>(from: readonly T[], count: number): Generator<readonly T[]> {
  if (count === 0) {
    yield [];
    return;
  }
  for (const [index, first] of from.entries()) {
    for (const rest of choices(from.slice(index + 1), count - 1)) yield [first, ...rest];
  }
}

describe('shares', () => {
  const secret = systemRandom.bytes(32);

  it.each([
    [2, 2],
    [3, 2],
    [5, 3],
    [6, 5],
    [7, 7],
  ])('of %d, any %d restore the secret, in any order; fewer do not', (shares, threshold) => {
    const made = split(secret, shares, threshold, systemRandom);
    expect(made).toHaveLength(shares);
    for (const some of choices(made, threshold)) {
      expect(hex(combine(some))).toBe(hex(secret));
      expect(hex(combine([...some].reverse()))).toBe(hex(secret));
    }
    expect(hex(combine(made))).toBe(hex(secret));
    if (threshold === 2) return;
    for (const some of choices(made, threshold - 1)) expect(hex(combine(some))).not.toBe(hex(secret));
  });

  it('may be as many as there are points, of which all are needed', () => {
    const made = split(secret, 255, 255, systemRandom);
    expect(new Set(made.map((share) => share.at(-1))).size).toBe(255);
    expect(hex(combine(made))).toBe(hex(secret));
    expect(hex(combine(made.slice(1)))).not.toBe(hex(secret));
  });

  it('are the bytes followed by x, which is never 0', () => {
    for (let round = 0; round < 50; round++) {
      for (const share of split(secret, 10, 3, systemRandom)) {
        expect(share).toHaveLength(33);
        expect(share.at(-1)).toBeGreaterThan(0);
      }
    }
  });

  it('tell nothing one by one: every byte is as likely whatever the secret', () => {
    const seen = new Set<number>();
    for (let round = 0; round < 8000; round++) seen.add(split(new Uint8Array([7]), 2, 2, systemRandom)[0]?.[0] ?? -1);
    expect(seen.size).toBe(256);
  });

  it('take their chance from the given source only', () => {
    const fixed: Random = { ...systemRandom, bytes: (count) => new Uint8Array(count).fill(3), below: () => 0 };
    expect(split(unhex('00ff'), 3, 2, fixed).map(hex)).toEqual(['03fc01', '06f902', '05fa03']);
  });

  it('of a server that speaks the same protocol combine to its key', () => {
    // From OpenBao 2.6.2, `sys/init` with five shares of which three are needed; the key opened that server's root key.
    const made = [
      'c338fd37f7f3179ef628540800859c845f1d171054d5feccfe3ac7b3d226f66008',
      '122bbe662da8146db96f1824c213d8d20175cc34f953970efa3e65bc6a4db85bf3',
      'bb5d26c22f41991f6b63dac812c8781c620741196b7fbe5c196d699833004619c6',
      '16e04475c2a46e00f23e028394b8a541d9cbc3bb4efdbb416c61eba29f765cb2c3',
      '3039a87ffe44f4e90c28e0bd38f13e4c5b7454600542ce666b4291d5b33a9579de',
    ].map(unhex);
    for (const three of choices(made, 3)) {
      expect(hex(combine(three))).toBe('1fbf03a3e5542c85ae352a7b7ab480b1565e8830198533bd2f113ec3490c1276');
    }
  });
});

describe('what cannot be split or combined', () => {
  it.each([
    [1, 1],
    [2, 1],
    [2, 3],
    [256, 2],
    [0, 0],
  ])('is refused: %d shares of which %d are needed', (shares, threshold) => {
    expect(() => split(new Uint8Array(32), shares, threshold, systemRandom)).toThrow(
      expect.objectContaining({ code: 'invalid-config' }) as Error,
    );
  });

  it('is refused: nothing to split', () => {
    expect(() => split(new Uint8Array(0), 3, 2, systemRandom)).toThrow('split');
  });

  it.each([
    ['one share', ['0102']],
    ['no share', []],
    ['the same share twice', ['0102', '0102']],
    ['two shares of one x', ['0102', '0202']],
    ['shares of different lengths', ['0102', '010203']],
    ['shares without content', ['01', '02']],
    ['an x of 0, where the secret itself lies', ['0100', '0202']],
  ])('is refused: %s', (_, shares) => {
    expect(() => combine(shares.map(unhex))).toThrow(expect.objectContaining({ code: 'invalid-share' }) as Error);
  });
});
