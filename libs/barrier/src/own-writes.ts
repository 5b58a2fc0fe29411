import type { AppliedBatch, WriteOp } from '@coffer/storage';

interface Watched {
  /** Operations under way that concern the key. */
  operations: number;
  /** Of the newest batch that changed it meanwhile. */
  index: number;
}

/**
 * Tells of own writes whether they are still the newest of their keys when they are acknowledged: only then may what was
 * written be kept as what is stored.
 */
export class OwnWrites {
  readonly #watched = new Map<string, Watched>();

  /** Keys with operations under way. */
  get size(): number {
    return this.#watched.size;
  }

  begin(ops: readonly WriteOp[]): void {
    for (const { key } of ops) {
      const watched = this.#watched.get(key);
      if (watched) watched.operations++;
      else this.#watched.set(key, { operations: 1, index: 0 });
    }
  }

  applied({ keys, index, everything }: AppliedBatch): void {
    if (this.#watched.size === 0) return;
    if (everything) for (const watched of this.#watched.values()) watched.index = index;
    for (const key of keys) {
      const watched = this.#watched.get(key);
      if (watched) watched.index = index;
    }
  }

  /**
   * Ends the watch over a batch.
   *
   * @param index where it stands; undefined if it failed
   * @returns operations that nothing came after, in their order
   */
  end(ops: readonly WriteOp[], index: number | undefined): readonly WriteOp[] {
    const newest = index === undefined ? [] : ops.filter(({ key }) => this.#watched.get(key)?.index === index);
    for (const { key } of ops) {
      const watched = this.#watched.get(key);
      if (watched && --watched.operations === 0) this.#watched.delete(key);
    }
    return newest;
  }
}
