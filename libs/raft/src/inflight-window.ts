import { assert } from '@coffer/kernel';
import type { LogIndex } from './message.ts';

/** The last indexes of appends that were sent and not answered: a ring that grows up to its limit. */
export class InflightWindow {
  readonly #max: number;
  #ring: LogIndex[] = [];
  #start = 0;
  #count = 0;

  constructor(max: number) {
    assert(Number.isSafeInteger(max) && max >= 1, 'the inflight window holds at least one');
    this.#max = max;
  }

  get count(): number {
    return this.#count;
  }

  get full(): boolean {
    return this.#count >= this.#max;
  }

  add(index: LogIndex): void {
    assert(!this.full, 'nothing is sent beyond the inflight window');
    if (this.#count === this.#ring.length) this.#grow();
    this.#ring[(this.#start + this.#count) % this.#ring.length] = index;
    this.#count++;
  }

  /** Everything up to `index` was answered. */
  freeTo(index: LogIndex): void {
    while (this.#count > 0 && (this.#ring[this.#start] as LogIndex) <= index) this.freeFirst();
  }

  /** Gives up the oldest, so that something can be sent to find out what became of it. */
  freeFirst(): void {
    if (this.#count === 0) return;
    this.#start = (this.#start + 1) % this.#ring.length;
    this.#count--;
  }

  clear(): void {
    this.#start = 0;
    this.#count = 0;
  }

  #grow(): void {
    const size = Math.min(this.#max, Math.max(4, this.#ring.length * 2));
    const ring = new Array<LogIndex>(size).fill(0);
    for (let at = 0; at < this.#count; at++) ring[at] = this.#ring[(this.#start + at) % this.#ring.length] as LogIndex;
    this.#ring = ring;
    this.#start = 0;
  }
}
