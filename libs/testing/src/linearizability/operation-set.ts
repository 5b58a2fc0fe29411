/** Which of an ordered list's operations are placed, as bits, with a hash that is kept up to date (Zobrist 1970). */
export class OperationSet {
  readonly #words: Uint32Array;
  #hash = 0;

  constructor(size: number) {
    this.#words = new Uint32Array((size + 31) >>> 5);
  }

  add(index: number): void {
    this.#flip(index);
  }

  remove(index: number): void {
    this.#flip(index);
  }

  hash(): number {
    return this.#hash;
  }

  copy(): OperationSet {
    const copy = new OperationSet(this.#words.length * 32);
    copy.#words.set(this.#words);
    copy.#hash = this.#hash;
    return copy;
  }

  equals(other: OperationSet): boolean {
    if (this.#hash !== other.#hash) return false;
    return this.#words.every((word, index) => word === other.#words[index]);
  }

  #flip(index: number): void {
    const word = index >>> 5;
    this.#words[word] = ((this.#words[word] ?? 0) ^ (1 << (index & 31))) >>> 0;
    this.#hash ^= scramble(index + 1);
  }
}

/** A well spread 32-bit number for each index (the finaliser of MurmurHash3). */
function scramble(value: number): number {
  let bits = Math.imul(value, 0x9e3779b1);
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return bits ^ (bits >>> 16);
}
