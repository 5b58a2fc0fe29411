import type { Clock, Log } from '@coffer/kernel';
import { StorageError } from '@coffer/storage';
import type { AppliedBatch, AppliedListener } from '@coffer/storage';
import type { Feed } from '../remote-store.ts';

interface Waiter {
  readonly index: number;
  readonly resolve: () => void;
  readonly reject: (error: StorageError) => void;
}

/**
 * How far this node has heard of what was written. What it has yet to tell of is not shown to anybody: reads that are
 * ahead of it wait here.
 */
export class AppliedFeed {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #listeners = new Set<AppliedListener>();
  #waiters: Waiter[] = [];
  #index = 0;
  #closed = false;

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
  }

  get index(): number {
    return this.#index;
  }

  /** Where this node begins: nobody has read anything yet. */
  begin(index: number): void {
    this.#index = index;
  }

  subscribe(listener: AppliedListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Tells batches, of which some may be known already. @param first index of the first one */
  tell(first: number, batches: readonly (readonly string[])[]): void {
    for (const [at, keys] of batches.entries()) {
      const index = first + at;
      if (index <= this.#index) continue;
      this.#advance({ index, keys });
    }
    this.#wake();
  }

  /**
   * What the store says has happened; where that cannot be told one by one, everything has changed.
   *
   * @param since the index that was asked for: it had been told before the question
   */
  follow(since: number, { head, groups }: Feed): void {
    if (head.index < since) {
      this.#log.error('the storage went back in time: was it restored from a backup? Everything is read anew', {
        from: since,
        to: head.index,
      });
      this.#replace(head.index);
      return;
    }
    const reachesBack = head.index === since || (groups[0] !== undefined && groups[0].first <= since + 1);
    if (reachesBack) for (const group of groups) this.tell(group.first, group.batches);
    else if (head.index > this.#index) {
      this.#log.warn('this node was away for longer than changes are kept: everything is read anew');
      this.#replace(head.index);
    }
  }

  #replace(index: number): void {
    this.#advance({ index, keys: [], everything: true });
    this.#wake();
  }

  #advance(batch: AppliedBatch): void {
    this.#index = batch.index;
    for (const listener of [...this.#listeners]) listener(batch);
  }

  /** Until so much was told. @throws StorageError `deadline`, `closed` */
  until(index: number, withinMs: number): Promise<void> {
    if (this.#closed) return Promise.reject(closedError());
    if (index <= this.#index) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        index,
        resolve: () => {
          cancel();
          resolve();
        },
        reject: (error) => {
          cancel();
          reject(error);
        },
      };
      const cancel = this.#clock.after(withinMs, () => {
        this.#waiters = this.#waiters.filter((other) => other !== waiter);
        reject(new StorageError('deadline', 'the storage did not tell in time what was written'));
      });
      this.#waiters.push(waiter);
    });
  }

  #wake(): void {
    if (this.#waiters.length === 0) return;
    const ready = this.#waiters.filter(({ index }) => index <= this.#index);
    this.#waiters = this.#waiters.filter(({ index }) => index > this.#index);
    for (const waiter of ready) waiter.resolve();
  }

  close(): void {
    this.#closed = true;
    for (const waiter of this.#waiters.splice(0)) waiter.reject(closedError());
  }
}

const closedError = (): StorageError => new StorageError('closed', 'the store is closed');
