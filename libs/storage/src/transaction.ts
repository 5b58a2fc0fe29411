import type { MaybePromise } from '@coffer/kernel';
import type { Epoch, Reader } from './backend.ts';

/**
 * Reads and writes that are judged together. Reads see the newest applied state and the transaction's own writes.
 * Nothing is written before `commit`, which checks that nothing read has changed since `begin` (optimistic concurrency
 * control: Kung and Robinson, 1981, backward validation) and then hands one batch to the store.
 */
export interface Transaction extends Reader {
  /** The value parsed, cached with the entry until it changes (own writes are parsed anew): nobody writes into it. */
  getParsed<T>(key: string, parse: (bytes: Uint8Array) => T): MaybePromise<T | undefined>;
  /** Under which it would be written; undefined on a standby. */
  readonly epoch: Epoch | undefined;
  put(key: string, value: Uint8Array): void;
  delete(key: string): void;
  /** Whether anything would be written. */
  readonly dirty: boolean;
}

/** Runs functions as serializable transactions on a store. */
export interface Transactor {
  /**
   * Runs `body` and commits what it wrote. When something that it read was changed meanwhile, it runs again from the
   * start, at most `ATTEMPTS_MAX` times, waiting its turn behind the other writers of the contended key; so `body` has
   * no effect outside of the transaction. A body that wrote nothing is validated too: its reads were of one state.
   *
   * @throws StorageError as `Backend.write`; `conflict` after the last attempt; `not-active` where it writes on a standby
   */
  run<T>(body: (tx: Transaction) => MaybePromise<T>): Promise<T>;
  /** As `run`, but answers at once where neither reading nor writing had to wait: the hot path of reads. */
  attempt<T>(body: (tx: Transaction) => MaybePromise<T>): MaybePromise<T>;
}

export const ATTEMPTS_MAX = 64;
