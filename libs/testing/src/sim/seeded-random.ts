import { assert } from '@coffer/kernel';
import type { Random } from '@coffer/kernel';

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/**
 * Chance that a seed replays: the sfc32 generator (Doty-Humphrey's PractRand). Predictable, so only for tests and
 * simulations. The same calls in the same order give the same results on every machine.
 */
export class SeededRandom implements Random {
  #a: number;
  #b: number;
  #c = 0x2545f491;
  #counter = 1;

  /** @param seed a whole number; those that differ in their lower 53 bits give unrelated sequences. */
  constructor(seed: number) {
    assert(Number.isSafeInteger(seed), 'a seed is a safe integer');
    this.#a = seed >>> 0;
    this.#b = Math.floor(seed / 2 ** 32) >>> 0;
    for (let round = 0; round < 15; round += 1) this.#next();
  }

  below(below: number): number {
    assert(below > 0 && below <= Number.MAX_SAFE_INTEGER, 'a random number is below a positive safe integer');
    const wide = below > 2 ** 32;
    const range = wide ? 2 ** 53 : 2 ** 32;
    // Without the tail of the range that does not divide evenly, so without bias.
    const limit = range - (range % below);
    for (;;) {
      const drawn = wide ? (this.#next() >>> 11) * 2 ** 32 + this.#next() : this.#next();
      if (drawn < limit) return drawn % below;
    }
  }

  /** A whole number from `least` to `most`, both possible. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  /** True in `perMille` of 1000 cases. */
  chance(perMille: number): boolean {
    return this.below(1000) < perMille;
  }

  /** One of the list's elements. */
  pick<T>(list: readonly T[]): T {
    assert(list.length > 0, 'picks are from lists that have something');
    return list[this.below(list.length)] as T;
  }

  /** `count` different elements of the list (all, if it has fewer), in a random order. */
  sample<T>(list: readonly T[], count: number): T[] {
    const left = [...list];
    const sample: T[] = [];
    while (sample.length < count && left.length > 0) sample.push(...left.splice(this.below(left.length), 1));
    return sample;
  }

  /** A generator of its own, so that what one part draws does not change what another gets. */
  fork(): SeededRandom {
    return new SeededRandom(this.#next() * 2 ** 21 + (this.#next() >>> 11));
  }

  bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.below(256));
  }

  uuid(): string {
    const bytes = this.bytes(16);
    bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
    bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
    const hex = Buffer.from(bytes).toString('hex');
    return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
  }

  base62(length: number): string {
    return Array.from({ length }, () => BASE62[this.below(62)]).join('');
  }

  #next(): number {
    const b = this.#b;
    const c = this.#c;
    const result = (this.#a + b + this.#counter) >>> 0;
    this.#a = (b ^ (b >>> 9)) >>> 0;
    this.#b = (c + (c << 3)) >>> 0;
    this.#c = (((c << 21) | (c >>> 11)) + result) >>> 0;
    this.#counter = (this.#counter + 1) >>> 0;
    return result;
  }
}
