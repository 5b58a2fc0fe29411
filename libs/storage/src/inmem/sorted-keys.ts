/** Keys in the order of their UTF-8 bytes, in blocks, so that inserting among a million costs little. */
export class SortedKeys {
  static readonly #blockMax = 512;
  #blocks: string[][] = [[]];

  add(key: string): void {
    const block = this.#blockOf(key);
    const keys = this.#blocks[block] as string[];
    const at = lowerBound(keys, key);
    if (keys[at] === key) return;
    keys.splice(at, 0, key);
    if (keys.length > SortedKeys.#blockMax) this.#blocks.splice(block + 1, 0, keys.splice(keys.length >> 1));
  }

  delete(key: string): void {
    const block = this.#blockOf(key);
    const keys = this.#blocks[block] as string[];
    const at = lowerBound(keys, key);
    if (keys[at] !== key) return;
    keys.splice(at, 1);
    if (keys.length === 0 && this.#blocks.length > 1) this.#blocks.splice(block, 1);
  }

  clear(): void {
    this.#blocks = [[]];
  }

  /** The first key that is not before `from`. */
  atOrAfter(from: string): string | undefined {
    const block = this.#blockOf(from);
    const keys = this.#blocks[block] as string[];
    return keys[lowerBound(keys, from)] ?? this.#blocks[block + 1]?.[0];
  }

  /** Keys from `from` on, in order. */
  *from(from: string): Generator<string> {
    let block = this.#blockOf(from);
    let at = lowerBound(this.#blocks[block] as string[], from);
    for (; block < this.#blocks.length; block++, at = 0) {
      const keys = this.#blocks[block] as string[];
      for (; at < keys.length; at++) yield keys[at] as string;
    }
  }

  /** The last block whose first key is not after `key`. */
  #blockOf(key: string): number {
    let low = 0;
    let high = this.#blocks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (compareKeys((this.#blocks[middle] as string[])[0] as string, key) <= 0) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

/** By UTF-8 bytes, which differs from JavaScript's order of UTF-16 units beyond the basic plane. */
export function compareKeys(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at++) {
    const left = a.charCodeAt(at);
    const right = b.charCodeAt(at);
    if (left === right) continue;
    const bothPlain = (left < 0xd800 || left > 0xdfff) === (right < 0xd800 || right > 0xdfff);
    if (bothPlain) return left - right;
    return left >= 0xd800 && left <= 0xdfff ? 1 : -1;
  }
  return a.length - b.length;
}

function lowerBound(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareKeys(keys[middle] as string, key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
