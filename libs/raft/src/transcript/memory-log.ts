import { assert } from '@coffer/kernel';
import { entryBytes } from '../entry-bytes.ts';
import type { Entry, LogIndex, SnapshotMeta, Term } from '../message.ts';
import type { LogReader } from '../raft.ts';

/** A log in memory: for tests. */
export class MemoryLog implements LogReader {
  #base: { readonly index: LogIndex; readonly term: Term };
  #entries: Entry[] = [];

  constructor(base: { readonly index: LogIndex; readonly term: Term } = { index: 0, term: 0 }) {
    this.#base = base;
  }

  firstIndex(): LogIndex {
    return this.#base.index + 1;
  }

  lastIndex(): LogIndex {
    return this.#base.index + this.#entries.length;
  }

  term(index: LogIndex): Term | undefined {
    if (index === this.#base.index) return this.#base.term;
    return this.#entries[index - this.#base.index - 1]?.term;
  }

  entries(from: LogIndex, to: LogIndex, bytesMax: number): readonly Entry[] | undefined {
    if (from <= this.#base.index) return undefined;
    assert(to <= this.lastIndex() + 1, 'test log: only what is stable is asked for');
    const found: Entry[] = [];
    let bytes = 0;
    for (const entry of this.#entries.slice(from - this.#base.index - 1, to - this.#base.index - 1)) {
      bytes += entryBytes(entry);
      if (bytes > bytesMax && found.length > 0) break;
      found.push(entry);
    }
    return found;
  }

  append(entries: readonly Entry[]): void {
    const first = entries[0];
    if (first === undefined) return;
    assert(first.index > this.#base.index && first.index <= this.lastIndex() + 1, 'test log: no gaps');
    this.#entries.length = first.index - this.#base.index - 1;
    for (const entry of entries) this.#entries.push(entry);
  }

  compact(upTo: LogIndex): void {
    const term = this.term(upTo);
    assert(term !== undefined, 'test log: only what is there is compacted');
    this.#entries = this.#entries.slice(upTo - this.#base.index);
    this.#base = { index: upTo, term };
  }

  install({ index, term }: SnapshotMeta): void {
    this.#base = { index, term };
    this.#entries = [];
  }

  all(): readonly Entry[] {
    return this.#entries;
  }
}
