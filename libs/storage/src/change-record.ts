import { compareKeys } from './inmem/sorted-keys.ts';
import type { AppliedBatch } from './backend.ts';

/** A range of keys: from `from` (inclusive) to `to` (exclusive; the end where left out). */
export interface ReadRange {
  readonly from: string;
  readonly to?: string;
}

export const inRange = (key: string, { from, to }: ReadRange): boolean =>
  compareKeys(key, from) >= 0 && (to === undefined || compareKeys(key, to) < 0);

/** So many keys a generation. */
const GENERATION_KEYS = 65_536;

/**
 * Which keys changed when, as far back as those need it who began to read then. Memory is bounded: of two generations
 * of keys the older is forgotten, and whoever began before that counts as overtaken.
 */
export class ChangeRecord {
  /** The number of batches that this node has seen applied; means nothing elsewhere. */
  #now = 0;
  /** Changes up to here may be forgotten. */
  #forgotten = 0;
  #turnedAt = 0;
  #recent = new Map<string, number>();
  #older = new Map<string, number>();
  #readers = 0;

  get now(): number {
    return this.#now;
  }

  /** How many keys are remembered. */
  get size(): number {
    return this.#recent.size + this.#older.size;
  }

  /** Someone begins to read: changes from now on are remembered, until there are none left who read. */
  begin(): number {
    this.#readers++;
    return this.#now;
  }

  end(): void {
    this.#readers--;
    if (this.#readers === 0 && this.size > 0) this.#forget();
  }

  add(batch: AppliedBatch): void {
    this.#now++;
    if (batch.everything) this.#forget();
    if (this.#readers === 0) {
      this.#forgotten = this.#now;
      return;
    }
    for (const key of batch.keys) this.#recent.set(key, this.#now);
    if (this.#recent.size >= GENERATION_KEYS) {
      this.#forgotten = this.#turnedAt;
      this.#turnedAt = this.#now;
      this.#older = this.#recent;
      this.#recent = new Map();
    }
  }

  #forget(): void {
    this.#forgotten = this.#now;
    this.#turnedAt = this.#now;
    this.#recent.clear();
    this.#older.clear();
  }

  /** Whether changes since then are known; if not, anything may have changed. */
  reaches(since: number): boolean {
    return since >= this.#forgotten;
  }

  changed(key: string, since: number): boolean {
    return (this.#recent.get(key) ?? this.#older.get(key) ?? 0) > since;
  }

  /** A key within one of some ranges that changed. */
  changedWithin(ranges: readonly ReadRange[], since: number): string | undefined {
    for (const generation of [this.#recent, this.#older]) {
      for (const [key, at] of generation) if (at > since && ranges.some((range) => inRange(key, range))) return key;
    }
    return undefined;
  }
}
