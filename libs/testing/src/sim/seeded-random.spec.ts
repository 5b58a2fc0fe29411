import { SeededRandom } from './seeded-random.ts';

describe('the seeded random', () => {
  it('repeats itself for a seed and differs for others', () => {
    const draw = (seed: number): number[] => {
      const random = new SeededRandom(seed);
      return Array.from({ length: 20 }, () => random.below(1000));
    };
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
    expect(draw(1)).not.toEqual(draw(1 + 2 ** 32));
  });

  it('draws every number of a range about as often', () => {
    const random = new SeededRandom(3);
    const counts = new Array<number>(7).fill(0);
    for (let drawn = 0; drawn < 7000; drawn += 1) {
      const number = random.below(7);
      counts[number] = (counts[number] ?? 0) + 1;
    }
    for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(150);
    expect(new Set(Array.from({ length: 100 }, () => random.between(2, 4)))).toEqual(new Set([2, 3, 4]));
    expect(() => random.below(0)).toThrow('below a positive safe integer');
    const wide = Array.from({ length: 100 }, () => random.below(2 ** 40));
    expect(Math.max(...wide)).toBeGreaterThan(2 ** 39);
    expect(Math.max(...wide)).toBeLessThan(2 ** 40);
  });

  it('forks generators that do not disturb each other', () => {
    const [a, b] = [new SeededRandom(9), new SeededRandom(9)];
    const fork = a.fork();
    b.fork();
    for (let drawn = 0; drawn < 10; drawn += 1) fork.below(2);
    expect(a.below(1_000_000)).toBe(b.below(1_000_000));
  });

  it('samples without repetition', () => {
    const random = new SeededRandom(4);
    expect(random.sample([1, 2, 3], 9).toSorted()).toEqual([1, 2, 3]);
    expect(new Set(random.sample([1, 2, 3, 4], 2)).size).toBe(2);
  });

  it('makes identifiers of the right shape', () => {
    const random = new SeededRandom(4);
    expect(random.uuid()).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(random.base62(30)).toMatch(/^[0-9A-Za-z]{30}$/);
    expect(random.bytes(5)).toHaveLength(5);
  });
});
