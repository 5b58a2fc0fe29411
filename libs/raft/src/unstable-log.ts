import { assert } from '@coffer/kernel';
import { entryBytes } from './entry-bytes.ts';
import type { Entry, LogIndex, Term } from './message.ts';

/**
 * The end of the log that the host has not yet written. Two segments: `handed` is with the host and is never changed
 * again (only shortened in our view of it), `fresh` came since. Handing out and writing therefore copy nothing.
 */
export class UnstableLog {
  /** The index of the first entry held; everything before is stable. */
  #offset: LogIndex;
  #handed: readonly Entry[] = [];
  /** How much of `handed` still stands; the rest was replaced in the meantime. */
  #handedCount = 0;
  #fresh: Entry[] = [];

  constructor(offset: LogIndex) {
    this.#offset = offset;
  }

  get offset(): LogIndex {
    return this.#offset;
  }

  get lastIndex(): LogIndex {
    return this.#offset + this.#handedCount + this.#fresh.length - 1;
  }

  /** Whether there is anything that the host was not given yet. */
  get hasFresh(): boolean {
    return this.#fresh.length > 0;
  }

  /** An entry at an index that is held. */
  at(index: LogIndex): Entry {
    const place = index - this.#offset;
    const entry = place < this.#handedCount ? this.#handed[place] : this.#fresh[place - this.#handedCount];
    assert(entry !== undefined, 'an unstable entry is asked for only where there is one');
    assert(entry.index === index, 'unstable entries stand at their index');
    return entry;
  }

  term(index: LogIndex): Term {
    return this.at(index).term;
  }

  /** Adds to `into` the entries in [from, to), as many as fit in `bytesMax`. */
  collect(from: LogIndex, to: LogIndex, bytesMax: number, into: Entry[]): void {
    let bytes = 0;
    for (let index = from; index < to; index++) {
      const entry = this.at(index);
      bytes += entryBytes(entry);
      if (bytes > bytesMax && into.length > 0) return;
      into.push(entry);
    }
  }

  /** Appends one entry at the end. */
  push(entry: Entry): void {
    assert(entry.index === this.lastIndex + 1, 'the log has no gap');
    this.#fresh.push(entry);
  }

  /** Forgets everything from `index` on, which may reach into what is stable: what comes next replaces it. */
  truncate(index: LogIndex): void {
    assert(index >= 1 && index <= this.lastIndex + 1, 'the log is cut within its bounds');
    const freshFrom = this.#offset + this.#handedCount;
    if (index >= freshFrom) {
      this.#fresh.length = index - freshFrom;
      return;
    }
    this.#fresh = [];
    this.#handedCount = Math.max(0, index - this.#offset);
    if (index < this.#offset) this.#offset = index;
  }

  /** Gives the host what it has to write; `stabilised` says that it did. */
  hand(): readonly Entry[] {
    assert(this.#handedCount === 0, 'entries are handed out after the last ones were written');
    this.#handed = this.#fresh;
    this.#handedCount = this.#fresh.length;
    this.#fresh = [];
    return this.#handed;
  }

  /** What was handed out is stable now. */
  stabilised(): void {
    this.#offset += this.#handedCount;
    this.#handed = [];
    this.#handedCount = 0;
  }

  /** A snapshot replaced the log: it goes on at `offset`. */
  reset(offset: LogIndex): void {
    this.#offset = offset;
    this.#handed = [];
    this.#handedCount = 0;
    this.#fresh = [];
  }
}
