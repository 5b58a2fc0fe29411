import { assert } from '@coffer/kernel';
import { entryBytes } from './entry-bytes.ts';
import type { Entry, LogIndex, Term } from './message.ts';
import type { LogReader } from './raft.ts';
import { UnstableLog } from './unstable-log.ts';

/** Where an append collides with what is there. */
export type AppendOutcome =
  | { readonly kind: 'matched'; readonly lastIndex: LogIndex }
  /** The entry before the first does not match. */
  | { readonly kind: 'refused' };

/** The whole log: the host's stable part and the unstable end, with how far it is committed, handed out and applied. */
export class RaftLog {
  readonly #stable: LogReader;
  readonly unstable: UnstableLog;
  #commit: LogIndex;
  #handed: LogIndex;
  #applied: LogIndex;
  #appliedTerm: Term;

  constructor(stable: LogReader, commit: LogIndex, applied: LogIndex) {
    const lastIndex = stable.lastIndex();
    assert(stable.firstIndex() >= 1 && lastIndex >= stable.firstIndex() - 1, 'the stable log has valid bounds');
    assert(applied >= stable.firstIndex() - 1, 'nothing is compacted that was not applied');
    assert(applied <= lastIndex, 'the log reaches what was applied');
    assert(commit <= lastIndex, 'the log reaches what was committed');
    this.#stable = stable;
    this.unstable = new UnstableLog(lastIndex + 1);
    // Applying may have been recorded when the commit index, which needs no sync, was lost.
    this.#commit = Math.max(commit, applied);
    this.#handed = applied;
    this.#applied = applied;
    this.#appliedTerm = this.mustTerm(applied);
  }

  get firstIndex(): LogIndex {
    return this.#stable.firstIndex();
  }

  get lastIndex(): LogIndex {
    return this.unstable.lastIndex;
  }

  /** The last index known to be on our own disk, as part of the log as it is now. */
  get stableIndex(): LogIndex {
    return this.unstable.offset - 1;
  }

  get lastTerm(): Term {
    return this.mustTerm(this.lastIndex);
  }

  get commit(): LogIndex {
    return this.#commit;
  }

  get applied(): LogIndex {
    return this.#applied;
  }

  /** The term of the entry at `applied`, even where the host has compacted beyond it. */
  get appliedTerm(): Term {
    return this.#appliedTerm;
  }

  /** The term of an entry; 0 for index 0; undefined outside of the log or where it is compacted away. */
  term(index: LogIndex): Term | undefined {
    if (index > this.lastIndex) return undefined;
    if (index >= this.unstable.offset) return this.unstable.term(index);
    const term = this.#stable.term(index);
    return term === undefined && index === 0 && this.#stable.firstIndex() === 1 ? 0 : term;
  }

  mustTerm(index: LogIndex): Term {
    const term = this.term(index);
    assert(term !== undefined, 'the term of an index that is kept is known');
    return term;
  }

  matches(index: LogIndex, term: Term): boolean {
    return this.term(index) === term;
  }

  /** Section 5.4.1: the later last term wins, then the longer log. */
  isUpToDate(lastIndex: LogIndex, lastTerm: Term): boolean {
    const ours = this.lastTerm;
    return lastTerm > ours || (lastTerm === ours && lastIndex >= this.lastIndex);
  }

  /** Entries in [from, to), cut after `bytesMax` but never empty; undefined where compacted away. */
  entries(from: LogIndex, to: LogIndex, bytesMax: number): readonly Entry[] | undefined {
    assert(from >= 1 && to <= this.lastIndex + 1, 'entries are asked for within the log');
    if (from >= to) return [];
    const { offset } = this.unstable;
    if (from >= offset) {
      const entries: Entry[] = [];
      this.unstable.collect(from, to, bytesMax, entries);
      return entries;
    }
    if (from < this.#stable.firstIndex()) return undefined;
    const stableTo = Math.min(to, offset);
    const stable = this.#stable.entries(from, stableTo, bytesMax);
    if (stable === undefined) return undefined;
    assert(stable.length > 0 && stable[0]?.index === from, 'the host reads what was asked for');
    if (to <= offset || stable.length < stableTo - from) return stable;
    let left = bytesMax;
    for (const entry of stable) left -= entryBytes(entry);
    if (left <= 0) return stable;
    const entries = [...stable];
    this.unstable.collect(offset, to, left, entries);
    return entries;
  }

  /** Appends as the leader. */
  push(entry: Entry): void {
    this.unstable.push(entry);
  }

  /** Appends as a follower (section 5.3), after what is committed, leaving alone what is there already. */
  append(prevIndex: LogIndex, prevTerm: Term, entries: readonly Entry[]): AppendOutcome {
    if (!this.matches(prevIndex, prevTerm)) return { kind: 'refused' };
    let known = 0;
    while (known < entries.length) {
      const entry = entries[known];
      if (entry === undefined || !this.matches(entry.index, entry.term)) break;
      known++;
    }
    const lastIndex = prevIndex + entries.length;
    if (known === entries.length) return { kind: 'matched', lastIndex };
    const from = prevIndex + known + 1;
    assert(from > this.#commit, 'what is committed is never replaced');
    if (from <= this.lastIndex) this.unstable.truncate(from);
    for (let at = known; at < entries.length; at++) this.unstable.push(entries[at] as Entry);
    return { kind: 'matched', lastIndex };
  }

  /**
   * The last index up to `index` with a term of at most `term`, by bisection since terms never fall: where two logs
   * that differ can agree at the latest (the fast back-up of section 5.3).
   */
  lastWithTermUpTo(index: LogIndex, term: Term): LogIndex {
    let low = this.firstIndex - 1;
    let high = Math.min(index, this.lastIndex);
    if (high <= low) return Math.max(0, Math.min(index, low));
    while (low < high) {
      const middle = low + Math.ceil((high - low) / 2);
      const there = this.term(middle);
      if (there !== undefined && there > term) high = middle - 1;
      else low = middle;
    }
    return low;
  }

  /** Whether the commit index moved. */
  commitTo(index: LogIndex): boolean {
    if (index <= this.#commit) return false;
    assert(index <= this.lastIndex, 'only what is in the log is committed');
    this.#commit = index;
    return true;
  }

  get hasCommitted(): boolean {
    return this.#commit > this.#handed;
  }

  /** Committed entries that the host was not given yet, at most about `bytesMax` of them. */
  handCommitted(bytesMax: number): readonly Entry[] {
    if (!this.hasCommitted) return [];
    const entries = this.entries(this.#handed + 1, this.#commit + 1, bytesMax);
    assert(entries !== undefined && entries.length > 0, 'what is not applied is not compacted');
    this.#handed += entries.length;
    assert(entries.at(-1)?.index === this.#handed, 'committed entries are handed out without a gap');
    return entries;
  }

  /** Whether the applied index moved. */
  appliedTo(index: LogIndex): boolean {
    assert(index <= this.#handed, 'only what was handed out is applied');
    if (index <= this.#applied) return false;
    this.#applied = index;
    this.#appliedTerm = this.mustTerm(index);
    return true;
  }

  /** The host replaced state and log by a snapshot. */
  restored(index: LogIndex, term: Term): void {
    assert(this.#stable.term(index) === term, 'the log begins after the snapshot');
    this.unstable.reset(this.#stable.lastIndex() + 1);
    assert(this.lastIndex >= index, 'the log reaches the snapshot');
    this.#commit = Math.max(this.#commit, index);
    this.#handed = Math.max(this.#handed, index);
    if (index > this.#applied) {
      this.#applied = index;
      this.#appliedTerm = term;
    }
    assert(this.#commit <= this.lastIndex, 'a snapshot takes nothing back that was committed');
  }
}
