import { assert } from '@coffer/kernel';
import type { Entry, HardState, LogIndex, LogReader, Term } from 'raft-ts';
import type { MachineState } from './register-machine.ts';

/** Written together or not at all, as a batch of the store is. */
export interface Batch {
  readonly hardState?: HardState;
  /** Replace those at the same indexes and all that follow. */
  readonly entries?: readonly Entry[];
  readonly machine?: MachineState;
  /** The state came from a peer: the log before it is gone, and all of it if it does not go through `machine`. */
  readonly install?: { readonly index: LogIndex; readonly term: Term; readonly machine: MachineState };
  /** Entries up to this index are dropped. */
  readonly compactTo?: LogIndex;
}

/** A disk's contents. */
export class DiskImage {
  hardState: HardState;
  machine: MachineState;
  /** The index before the first entry that is kept, and its term. */
  base: { readonly index: LogIndex; readonly term: Term };
  entries: Entry[];

  constructor(
    hardState: HardState,
    machine: MachineState,
    base: { readonly index: LogIndex; readonly term: Term },
    entries: Entry[] = [],
  ) {
    this.hardState = hardState;
    this.machine = machine;
    this.base = base;
    this.entries = entries;
  }

  copy(): DiskImage {
    return new DiskImage(this.hardState, this.machine, this.base, [...this.entries]);
  }

  lastIndex(): LogIndex {
    return this.base.index + this.entries.length;
  }

  entry(index: LogIndex): Entry | undefined {
    return this.entries[index - this.base.index - 1];
  }

  term(index: LogIndex): Term | undefined {
    return index === this.base.index ? this.base.term : this.entry(index)?.term;
  }

  apply(batch: Batch): void {
    if (batch.hardState !== undefined) this.hardState = batch.hardState;
    if (batch.install !== undefined) this.install(batch.install);
    const first = batch.entries?.[0];
    if (batch.entries !== undefined && first !== undefined) {
      assert(first.index > this.base.index && first.index <= this.lastIndex() + 1, 'disk: the log has no holes');
      this.entries.length = first.index - this.base.index - 1;
      this.entries.push(...batch.entries);
    }
    if (batch.machine !== undefined) this.machine = batch.machine;
    if (batch.compactTo !== undefined && batch.compactTo > this.base.index) this.#dropTo(batch.compactTo);
  }

  protected install({ index, term, machine }: NonNullable<Batch['install']>): void {
    // Section 7 of the paper: what follows a matching entry stays.
    if (this.term(index) === term) this.#dropTo(index);
    else {
      this.base = { index, term };
      this.entries = [];
    }
    this.machine = machine;
  }

  #dropTo(index: LogIndex): void {
    if (index === this.base.index) return;
    const term = this.term(index);
    assert(term !== undefined, 'disk: only what is there is compacted');
    this.entries.splice(0, index - this.base.index);
    this.base = { index, term };
  }
}

/**
 * A disk with a cache: what was written is durable once a later (or its own) sync ends. A crash loses what was not,
 * except that some of the first batches may have made it. Batches are never torn apart and never overtake each other:
 * that is what the store's log promises by its checksums.
 */
export class SimDisk implements LogReader {
  /** What reads see. */
  readonly #view: DiskImage;
  readonly #durable: DiskImage;
  /** Not yet durable, in the order of submission. */
  #pending: Batch[] = [];

  constructor(contents: DiskImage) {
    this.#view = contents.copy();
    this.#durable = contents.copy();
  }

  /** Begins a write. It is neither seen by reads nor durable yet, but may survive a crash. */
  submit(batch: Batch): void {
    this.#pending.push(batch);
  }

  /** Ends a write: reads see it and, if synced, it is durable with all before it. */
  complete(batch: Batch, synced: boolean): void {
    this.#view.apply(batch);
    if (!synced) return;
    const upTo = this.#pending.indexOf(batch);
    assert(upTo >= 0, 'disk: only what was submitted is completed');
    for (const done of this.#pending.splice(0, upTo + 1)) this.#durable.apply(done);
  }

  /** How many batches a crash could lose. */
  pending(): number {
    return this.#pending.length;
  }

  /** The disk after a crash from which the first `surviving` batches of those not synced were saved. */
  crash(surviving: number): DiskImage {
    const left = this.#durable.copy();
    for (const batch of this.#pending.slice(0, surviving)) left.apply(batch);
    return left;
  }

  /** What would be there after the worst crash. */
  durable(): DiskImage {
    return this.#durable;
  }

  firstIndex(): LogIndex {
    return this.#view.base.index + 1;
  }

  lastIndex(): LogIndex {
    return this.#view.lastIndex();
  }

  term(index: LogIndex): Term | undefined {
    return this.#view.term(index);
  }

  entries(from: LogIndex, to: LogIndex, bytesMax: number): readonly Entry[] | undefined {
    if (from < this.firstIndex()) return undefined;
    const found: Entry[] = [];
    let bytes = 0;
    for (let index = from; index < to; index += 1) {
      const entry = this.#view.entry(index);
      assert(entry !== undefined, 'disk: only stable entries are asked for');
      bytes += entry.kind === 'data' ? entry.data.length : 16;
      if (found.length > 0 && bytes > bytesMax) break;
      found.push(entry);
    }
    return found;
  }
}
