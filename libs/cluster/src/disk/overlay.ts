/** A key's newest value, or that it was deleted. */
export interface Laid {
  readonly value: Uint8Array | undefined;
}

const DELETED: Laid = { value: undefined };

/**
 * What was applied and is not in LevelDB yet: what the batch under way carries, and what came since. Reads look here
 * first.
 */
export class Overlay {
  #fresh = new Map<string, Laid>();
  #taken: ReadonlyMap<string, Laid> | undefined;
  #takenMark = 0;
  #sequence = 0;
  #laid = 0;

  /** Whether iterators of LevelDB see everything already. */
  get visible(): boolean {
    return this.#laid === this.#sequence;
  }

  get(key: string): Laid | undefined {
    if (this.#fresh.size > 0) {
      const laid = this.#fresh.get(key);
      if (laid !== undefined) return laid;
    }
    return this.#taken?.get(key);
  }

  put(key: string, value: Uint8Array): void {
    this.#fresh.set(key, { value });
    this.#sequence++;
  }

  delete(key: string): void {
    this.#fresh.set(key, DELETED);
    this.#sequence++;
  }

  /** Hands everything to a batch; it stays readable until `taken`. */
  take(): ReadonlyMap<string, Laid> {
    const taken = this.#fresh;
    this.#taken = taken;
    this.#takenMark = this.#sequence;
    this.#fresh = new Map();
    return taken;
  }

  /** The batch is written. */
  taken(): void {
    this.#taken = undefined;
    this.#laid = Math.max(this.#laid, this.#takenMark);
  }

  /** What a batch would carry, without handing it over. */
  peek(): ReadonlyMap<string, Laid> {
    return this.#fresh;
  }

  /** Stands for everything so far, for `laid`. */
  mark(): number {
    return this.#sequence;
  }

  /** Everything up to a mark is where iterators see it. */
  laid(mark: number): void {
    this.#laid = Math.max(this.#laid, mark);
  }

  /** The state was replaced. */
  clear(): void {
    this.#fresh = new Map();
    this.#taken = undefined;
    this.#laid = this.#sequence;
  }
}
