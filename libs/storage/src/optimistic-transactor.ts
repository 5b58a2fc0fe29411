import { isPromise } from '@coffer/kernel';
import type { MaybePromise } from '@coffer/kernel';
import { StorageError } from './backend.ts';
import { ChangeRecord, inRange } from './change-record.ts';
import type { HaCoordinator } from './ha.ts';
import { RunningTransaction } from './running-transaction.ts';
import type { ParsingBackend } from './running-transaction.ts';
import { ATTEMPTS_MAX } from './transaction.ts';
import type { Transaction, Transactor } from './transaction.ts';

type Body<T> = (tx: Transaction) => MaybePromise<T>;

interface Attempt<T> {
  readonly tx: RunningTransaction;
  /** The state that its first read saw, or a newer one. */
  readonly began: number;
  readonly result: MaybePromise<T>;
}

/** What a transaction is overtaken on that began longer ago than changes are remembered. */
const ANYTHING = '';

const nothing = (): void => undefined;

const closed = (): StorageError =>
  new StorageError('epoch-lost', 'the state was replaced, or the node was sealed; nothing was written');

/**
 * Backward validation (Kung and Robinson 1981, section 3). A transaction that only reads is valid if nothing that it
 * read was changed before its last read: it stands where it began. One that writes must not have read either what own
 * commits, ordered before it, are about to change. The order of transactions is that in which the store applies batches,
 * which is that of the calls of `write`; between nodes the epoch decides.
 *
 * One that was overtaken queues up for the key: from then on, newcomers that read the key and want to write queue up
 * behind it, so that nobody starves. Whoever waits holds nothing that others wait for.
 */
export class OptimisticTransactor implements Transactor {
  readonly #backend: ParsingBackend;
  readonly #ha: Pick<HaCoordinator, 'state'>;
  readonly #changes = new ChangeRecord();
  /** Keys that own commits under way change, and the last of these commits. */
  readonly #onTheirWay = new Map<string, Promise<unknown>>();
  /** The end of the queue of each contended key. */
  readonly #queues = new Map<string, Promise<unknown>>();
  readonly #unsubscribe: () => void;
  #closed = false;

  constructor(backend: ParsingBackend, ha: Pick<HaCoordinator, 'state'>) {
    this.#backend = backend;
    this.#ha = ha;
    this.#unsubscribe = backend.subscribe((batch) => this.#changes.add(batch));
  }

  /** How many changed keys are remembered; bounded. */
  get changesRemembered(): number {
    return this.#changes.size;
  }

  /** Transactions under way come to nothing (`epoch-lost`): from now on nobody notes what they are overtaken by. */
  close(): void {
    this.#closed = true;
    this.#unsubscribe();
  }

  run<T>(body: Body<T>): Promise<T> {
    try {
      return Promise.resolve(this.attempt(body));
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  attempt<T>(body: Body<T>): MaybePromise<T> {
    const attempt = this.#begin(body);
    const { tx, began, result } = attempt;
    if (!isPromise(result) && !tx.dirty && began === this.#changes.now) {
      this.#changes.end();
      return result;
    }
    return this.#finish(attempt, body);
  }

  #begin<T>(body: Body<T>): Attempt<T> {
    if (this.#closed) throw closed();
    const state = this.#ha.state();
    const tx = new RunningTransaction(this.#backend, state.role === 'active' ? state.epoch : undefined);
    const began = this.#changes.begin();
    try {
      return { tx, began, result: body(tx) };
    } catch (error) {
      this.#changes.end();
      throw error;
    }
  }

  async #finish<T>(first: Attempt<T>, body: Body<T>): Promise<T> {
    let attempt = first;
    let leave: (() => void) | undefined;
    try {
      for (let count = 1; ; count++) {
        const contended = await this.#settle(attempt, leave !== undefined);
        if (contended === undefined) return await attempt.result;
        if (count >= ATTEMPTS_MAX) throw new StorageError('conflict', 'a transaction was overtaken too often');
        leave ??= await this.#queue(contended);
        // How the other's commit ends is its own business.
        await this.#onTheirWay.get(contended)?.then(nothing, nothing);
        attempt = this.#begin(body);
      }
    } finally {
      leave?.();
    }
  }

  /** Commits; or tells the key on which it was overtaken. */
  async #settle(attempt: Attempt<unknown>, isItsTurn: boolean): Promise<string | undefined> {
    const { tx, result } = attempt;
    let failure: { readonly error: unknown } | undefined;
    try {
      await result;
    } catch (error) {
      failure = { error };
    }
    // From here to the store's `write` nothing is awaited: what was judged is what is written.
    const overtaken = this.#overtaken(attempt);
    this.#changes.end();
    if (this.#closed && (tx.dirty || tx.reads > 0)) throw closed();
    if (overtaken !== undefined) return overtaken;
    // Only now: it may have failed over a state that never was.
    if (failure) throw failure.error;
    if (!tx.dirty) return undefined;
    const contended = this.#mustWait(tx, isItsTurn);
    if (contended === undefined) await this.#commit(tx);
    return contended;
  }

  #overtaken({ tx, began }: Attempt<unknown>): string | undefined {
    if (began === this.#changes.now || tx.reads === 0) return undefined;
    // A single read is of one state by itself.
    if (tx.reads === 1 && !tx.dirty) return undefined;
    if (!this.#changes.reaches(began)) return ANYTHING;
    for (const key of tx.keysRead) if (this.#changes.changed(key, began)) return key;
    return tx.ranges.length > 0 ? this.#changes.changedWithin(tx.ranges, began) : undefined;
  }

  /** A key that was read and that others who come first are about to write. */
  #mustWait(tx: RunningTransaction, isItsTurn: boolean): string | undefined {
    if (this.#onTheirWay.size > 0) {
      for (const key of tx.keysRead) if (this.#onTheirWay.has(key)) return key;
      if (tx.ranges.length > 0) {
        for (const key of this.#onTheirWay.keys()) if (tx.ranges.some((range) => inRange(key, range))) return key;
      }
    }
    if (isItsTurn || this.#queues.size === 0) return undefined;
    return tx.keysRead.find((key) => this.#queues.has(key));
  }

  async #commit(tx: RunningTransaction): Promise<void> {
    const { epoch } = tx;
    if (epoch === undefined) throw new StorageError('not-active', 'only the active node writes');
    const ops = tx.ops();
    const written = this.#backend.write({ ops, epoch });
    for (const { key } of ops) this.#onTheirWay.set(key, written);
    try {
      await written;
    } finally {
      for (const { key } of ops) if (this.#onTheirWay.get(key) === written) this.#onTheirWay.delete(key);
    }
  }

  /** First come, first served among those that were overtaken on a key. Resolves to the function that lets the next go. */
  async #queue(key: string): Promise<() => void> {
    const before = this.#queues.get(key);
    const { promise: over, resolve: leave } = Promise.withResolvers<undefined>();
    this.#queues.set(key, over);
    await before;
    return () => {
      leave(undefined);
      if (this.#queues.get(key) === over) this.#queues.delete(key);
    };
  }
}
