import { assert } from './assert.ts';

interface Held<V> {
  readonly value: V;
  readonly size: number;
}

/**
 * A map that holds at most a total size and drops what was used longest ago (LRU). Relies on `Map`'s insertion order:
 * a hit is moved to the end.
 */
export class BoundedCache<K, V> {
  readonly #held = new Map<K, Held<V>>();
  readonly #sizeMax: number;
  readonly #sizeOf: (value: V, key: K) => number;
  #size = 0;

  /**
   * @param sizeMax the most that is held, in the unit of `sizeOf`
   * @param sizeOf what an entry counts for; 1 if left out, so that `sizeMax` counts entries
   */
  constructor(sizeMax: number, sizeOf: (value: V, key: K) => number = () => 1) {
    assert(sizeMax > 0, 'a cache has room');
    this.#sizeMax = sizeMax;
    this.#sizeOf = sizeOf;
  }

  get count(): number {
    return this.#held.size;
  }

  get size(): number {
    return this.#size;
  }

  get(key: K): V | undefined {
    const held = this.#held.get(key);
    if (held === undefined) return undefined;
    this.#held.delete(key);
    this.#held.set(key, held);
    return held.value;
  }

  set(key: K, value: V): void {
    this.delete(key);
    const size = this.#sizeOf(value, key);
    if (size > this.#sizeMax) return;
    this.#held.set(key, { value, size });
    this.#size += size;
    for (const oldest of this.#held.keys()) {
      if (this.#size <= this.#sizeMax) break;
      this.delete(oldest);
    }
  }

  delete(key: K): boolean {
    const held = this.#held.get(key);
    if (held === undefined) return false;
    this.#size -= held.size;
    return this.#held.delete(key);
  }

  clear(): void {
    this.#held.clear();
    this.#size = 0;
  }
}
