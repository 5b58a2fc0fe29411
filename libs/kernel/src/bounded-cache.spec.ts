import { BoundedCache } from './bounded-cache.ts';

/** What the cache promises, in the plainest form: an array in the order of use. */
class Model {
  entries: { key: number; value: number }[] = [];

  readonly sizeMax: number;

  constructor(sizeMax: number) {
    this.sizeMax = sizeMax;
  }

  take(key: number): { key: number; value: number } | undefined {
    const found = this.entries.find((entry) => entry.key === key);
    if (found) this.entries = this.entries.filter((entry) => entry !== found);
    return found;
  }

  get(key: number): number | undefined {
    const found = this.take(key);
    if (found) this.entries.push(found);
    return found?.value;
  }

  set(key: number, value: number): void {
    this.take(key);
    if (value > this.sizeMax) return;
    this.entries.push({ key, value });
    while (this.size > this.sizeMax) this.entries.shift();
  }

  get size(): number {
    return this.entries.reduce((sum, { value }) => sum + value, 0);
  }
}

describe('a bounded cache', () => {
  it('drops what was used longest ago, whatever is done with it', () => {
    const cache = new BoundedCache<number, number>(30, (value) => value);
    const model = new Model(30);
    let seed = 7;
    const below = (max: number): number => {
      seed = (seed * 48_271) % 2_147_483_647;
      return seed % max;
    };
    for (let step = 0; step < 20_000; step++) {
      const key = below(12);
      const what = below(10);
      if (what < 5) expect(cache.get(key)).toBe(model.get(key));
      else if (what < 8) {
        const size = 1 + below(33);
        cache.set(key, size);
        model.set(key, size);
      } else if (what === 8) expect(cache.delete(key)).toBe(model.take(key) !== undefined);
      else if (below(40) === 0) {
        cache.clear();
        model.entries = [];
      }
      expect([cache.count, cache.size]).toEqual([model.entries.length, model.size]);
    }
  });

  it('counts entries where no size is said', () => {
    const cache = new BoundedCache<string, string>(2);
    for (const key of ['a', 'b', 'c']) cache.set(key, key);
    expect(['a', 'b', 'c'].map((key) => cache.get(key))).toEqual([undefined, 'b', 'c']);
  });
});
