import { assert } from './assert.ts';

interface Held<K, V> {
  readonly key: K;
  value: V;
  size: number;
  older: Held<K, V> | undefined;
  newer: Held<K, V> | undefined;
}

/**
 * A map that holds at most a total size and drops what was used longest ago (LRU). The order is a list of its own: to
 * delete from a `Map` and set again at each hit leaves a dead entry in the key's bucket each time, which every later
 * look for that key walks through until the map is built anew.
 */
export class BoundedCache<K, V> {
  readonly #held = new Map<K, Held<K, V>>();
  readonly #sizeMax: number;
  readonly #sizeOf: (value: V, key: K) => number;
  #oldest: Held<K, V> | undefined;
  #newest: Held<K, V> | undefined;
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
    this.#touch(held);
    return held.value;
  }

  set(key: K, value: V): void {
    const size = this.#sizeOf(value, key);
    const held = this.#held.get(key);
    if (size > this.#sizeMax) {
      if (held !== undefined) this.#drop(held);
      return;
    }
    if (held === undefined) {
      const added: Held<K, V> = { key, value, size, older: undefined, newer: undefined };
      this.#held.set(key, added);
      this.#append(added);
      this.#size += size;
    } else {
      this.#size += size - held.size;
      held.value = value;
      held.size = size;
      this.#touch(held);
    }
    while (this.#size > this.#sizeMax && this.#oldest) this.#drop(this.#oldest);
  }

  delete(key: K): boolean {
    const held = this.#held.get(key);
    if (held === undefined) return false;
    this.#drop(held);
    return true;
  }

  clear(): void {
    this.#held.clear();
    this.#oldest = undefined;
    this.#newest = undefined;
    this.#size = 0;
  }

  #drop(held: Held<K, V>): void {
    this.#held.delete(held.key);
    this.#unlink(held);
    this.#size -= held.size;
  }

  #touch(held: Held<K, V>): void {
    if (held === this.#newest) return;
    this.#unlink(held);
    this.#append(held);
  }

  #unlink({ older, newer }: Held<K, V>): void {
    if (older) older.newer = newer;
    else this.#oldest = newer;
    if (newer) newer.older = older;
    else this.#newest = older;
  }

  #append(held: Held<K, V>): void {
    held.older = this.#newest;
    held.newer = undefined;
    if (this.#newest) this.#newest.newer = held;
    else this.#oldest = held;
    this.#newest = held;
  }
}
