import { assert, isPromise } from '@coffer/kernel';
import type { MaybePromise } from '@coffer/kernel';
import { StorageError } from './backend.ts';
import type { AppliedBatch, Backend, KeyRange, ListOptions, WriteOp } from './backend.ts';
import type { HaCoordinator } from './ha.ts';
import { compareKeys } from './inmem/sorted-keys.ts';
import { ATTEMPTS_MAX } from './transaction.ts';
import type { Transaction, Transactor } from './transaction.ts';

/** A store that keeps parsed values with its entries (the barrier). */
export interface ParsingBackend extends Backend {
  getParsed<T>(key: string, parse: (bytes: Uint8Array) => T): MaybePromise<T | undefined>;
}

/** What a transaction read, apart from single keys. */
interface ReadRange {
  readonly from: string;
  readonly to: string;
}

/** After this many failed attempts a transaction waits its turn behind the other writers of the contended key. */
const OPTIMISTIC_ATTEMPTS = 1;

/**
 * Backward validation (Kung and Robinson 1981, section 3): each change of the store has a number; a transaction
 * remembers the newest number that was visible when it began and what it read, and may commit if nothing of that was
 * changed by a later number, be it applied already or only on its way. Numbers are this node's own and mean nothing
 * elsewhere; what orders nodes is the epoch.
 */
export class OptimisticTransactor implements Transactor {
  readonly #backend: ParsingBackend;
  readonly #ha: Pick<HaCoordinator, 'state'>;
  /** The number of the newest change, visible or on its way. */
  #newest = 0;
  /** All changes up to this number are visible. */
  #visible = 0;
  /** Number of the last change of a key, as far back as a running transaction began. */
  readonly #changed = new Map<string, number>();
  /** Everything was replaced at this number. */
  #everythingAt = 0;
  /** Own commits on their way, by number. */
  readonly #pending = new Set<number>();
  /** How many running transactions began at which number. */
  readonly #running = new Map<number, number>();
  readonly #queues = new Map<string, Promise<unknown>>();
  readonly #unsubscribe: () => void;

  constructor(backend: ParsingBackend, ha: Pick<HaCoordinator, 'state'>) {
    this.#backend = backend;
    this.#ha = ha;
    this.#unsubscribe = backend.subscribe((batch) => this.#applied(batch));
  }

  close(): void {
    this.#unsubscribe();
  }

  run<T>(body: (tx: Transaction) => MaybePromise<T>): Promise<T> {
    const first = this.attempt(body);
    return Promise.resolve(first);
  }

  /** As `run`, but answers at once where neither reading nor writing had to wait. */
  attempt<T>(body: (tx: Transaction) => MaybePromise<T>): MaybePromise<T> {
    const running = new RunningTransaction(this.#backend, this.#epoch());
    const began = this.#begin();
    let result: MaybePromise<T>;
    try {
      result = body(running);
    } catch (error) {
      this.#end(began);
      throw error;
    }
    if (isPromise(result)) return this.#finishLater(running, began, result, body);
    const contended = this.#contended(running, began);
    if (contended === undefined && !running.dirty) {
      this.#end(began);
      return result;
    }
    return this.#finishLater(running, began, result, body);
  }

  async #finishLater<T>(
    first: RunningTransaction,
    firstBegan: number,
    firstResult: MaybePromise<T>,
    body: (tx: Transaction) => MaybePromise<T>,
  ): Promise<T> {
    let running = first;
    let began = firstBegan;
    let result = firstResult;
    let leave: (() => void) | undefined;
    try {
      for (let attempt = 1; ; attempt++) {
        const contended = await this.#settle(running, began, result);
        if (contended === undefined) return await result;
        if (attempt >= ATTEMPTS_MAX) throw new StorageError('conflict', 'a transaction was overtaken too often');
        if (attempt >= OPTIMISTIC_ATTEMPTS && !leave) leave = await this.#queue(contended);
        await this.#untilVisible();
        running = new RunningTransaction(this.#backend, this.#epoch());
        began = this.#begin();
        try {
          result = body(running);
        } catch (error) {
          this.#end(began);
          throw error;
        }
      }
    } finally {
      leave?.();
    }
  }

  /** Commits; or tells the key that was changed by another. */
  async #settle(
    running: RunningTransaction,
    began: number,
    result: MaybePromise<unknown>,
  ): Promise<string | undefined> {
    try {
      try {
        await result;
      } catch (error) {
        // It may have failed over a state that never was.
        const overtaken = this.#contended(running, began);
        if (overtaken === undefined) throw error;
        return overtaken;
      }
      const contended = this.#contended(running, began);
      if (contended !== undefined || !running.dirty) return contended;
      await this.#commit(running);
      return undefined;
    } finally {
      this.#end(began);
    }
  }

  async #commit(running: RunningTransaction): Promise<void> {
    const { epoch } = running;
    if (epoch === undefined) throw new StorageError('not-active', 'only the active node writes');
    const number = ++this.#newest;
    const ops = running.ops();
    for (const op of ops) this.#changed.set(op.key, number);
    this.#pending.add(number);
    try {
      await this.#backend.write({ ops, epoch });
    } finally {
      this.#pending.delete(number);
      this.#advance();
    }
  }

  #epoch(): number | undefined {
    const state = this.#ha.state();
    return state.role === 'active' ? state.epoch : undefined;
  }

  #begin(): number {
    const began = this.#visible;
    this.#running.set(began, (this.#running.get(began) ?? 0) + 1);
    return began;
  }

  #end(began: number): void {
    const left = (this.#running.get(began) ?? 0) - 1;
    assert(left >= 0, 'a transaction ends once');
    if (left > 0) this.#running.set(began, left);
    else {
      this.#running.delete(began);
      if (this.#changed.size > 0) this.#prune();
    }
  }

  #contended(running: RunningTransaction, began: number): string | undefined {
    if (this.#newest === began) return undefined;
    if (this.#everythingAt > began) return '';
    for (const key of running.keysRead) {
      if ((this.#changed.get(key) ?? 0) > began) return key;
    }
    if (running.ranges.length === 0) return undefined;
    for (const [key, number] of this.#changed) {
      if (
        number > began &&
        running.ranges.some(({ from, to }) => compareKeys(key, from) >= 0 && compareKeys(key, to) < 0)
      )
        return key;
    }
    return undefined;
  }

  /** What is applied is visible; own commits have their numbers already, and get the next one here again. */
  #applied(batch: AppliedBatch): void {
    const number = ++this.#newest;
    if (batch.everything) this.#everythingAt = number;
    if (this.#running.size > 0 || this.#pending.size > 0) for (const key of batch.keys) this.#changed.set(key, number);
    this.#advance();
  }

  /** A change is visible when no earlier one is on its way. */
  #advance(): void {
    let visible = this.#newest;
    for (const number of this.#pending) if (number <= visible) visible = number - 1;
    this.#visible = Math.max(this.#visible, visible);
    if (this.#waiters.length > 0 && this.#pending.size === 0) for (const wake of this.#waiters.splice(0)) wake();
    this.#prune();
  }

  readonly #waiters: (() => void)[] = [];

  #untilVisible(): Promise<void> | undefined {
    if (this.#pending.size === 0) return undefined;
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  /** Forgets changes that no running transaction began before. */
  #prune(): void {
    if (this.#running.size === 0 && this.#pending.size === 0) {
      this.#changed.clear();
      return;
    }
    if (this.#changed.size < 4096) return;
    const oldest = Math.min(this.#visible, ...this.#running.keys());
    for (const [key, number] of this.#changed) if (number <= oldest) this.#changed.delete(key);
  }

  /** First come, first served among those that failed on a key. */
  async #queue(key: string): Promise<() => void> {
    const before = this.#queues.get(key);
    let leave = (): void => undefined;
    const turn = new Promise<void>((resolve) => {
      leave = resolve;
    });
    const mine = (before ?? Promise.resolve()).then(() => turn);
    this.#queues.set(key, mine);
    await before;
    return () => {
      leave();
      if (this.#queues.get(key) === mine) this.#queues.delete(key);
    };
  }
}

/** One attempt of a transaction. */
class RunningTransaction implements Transaction {
  readonly epoch: number | undefined;
  readonly keysRead = new Set<string>();
  readonly ranges: ReadRange[] = [];
  /** Undefined: deleted. */
  readonly #written = new Map<string, Uint8Array | undefined>();
  readonly #backend: ParsingBackend;

  constructor(backend: ParsingBackend, epoch: number | undefined) {
    this.#backend = backend;
    this.epoch = epoch;
  }

  get dirty(): boolean {
    return this.#written.size > 0;
  }

  ops(): WriteOp[] {
    return [...this.#written].map(([key, value]) =>
      value === undefined ? { kind: 'delete', key } : { kind: 'put', key, value },
    );
  }

  get(key: string): MaybePromise<Uint8Array | undefined> {
    if (this.#written.has(key)) return this.#written.get(key);
    this.keysRead.add(key);
    return this.#backend.get(key);
  }

  getParsed<T>(key: string, parse: (bytes: Uint8Array) => T): MaybePromise<T | undefined> {
    if (this.#written.has(key)) {
      const own = this.#written.get(key);
      return own === undefined ? undefined : parse(own);
    }
    this.keysRead.add(key);
    return this.#backend.getParsed(key, parse);
  }

  list(prefix: string, options: ListOptions = {}): MaybePromise<string[]> {
    this.ranges.push({ from: prefix, to: `${prefix}\u{10ffff}` });
    const own = [...this.#written.keys()].filter((key) => key.startsWith(prefix));
    if (own.length === 0) return this.#backend.list(prefix, options);
    return this.#listWithOwn(prefix, options, own);
  }

  /** Own writes may add or remove names: the folder is listed whole and put together here. */
  async #listWithOwn(prefix: string, options: ListOptions, own: readonly string[]): Promise<string[]> {
    const names = new Set(await this.#backend.list(prefix));
    for (const key of own) {
      const rest = key.slice(prefix.length);
      const slash = rest.indexOf('/');
      const name = slash === -1 ? rest : rest.slice(0, slash + 1);
      if (this.#written.get(key) !== undefined) names.add(name);
      else if (slash === -1) names.delete(name);
      else if ((await this.keys({ from: prefix + name, to: `${prefix}${name}\u{10ffff}`, limit: 1 })).length === 0)
        names.delete(name);
    }
    const sorted = [...names]
      .filter((name) => name !== '' && (options.after === undefined || compareKeys(name, options.after) > 0))
      .sort(compareKeys);
    return sorted.slice(0, options.limit);
  }

  keys(range: KeyRange): MaybePromise<string[]> {
    this.ranges.push({ from: range.from, to: range.to });
    const own = [...this.#written.keys()].filter(
      (key) => compareKeys(key, range.from) >= 0 && compareKeys(key, range.to) < 0,
    );
    if (own.length === 0) return this.#backend.keys(range);
    return this.#keysWithOwn(range, own);
  }

  async #keysWithOwn(range: KeyRange, own: readonly string[]): Promise<string[]> {
    // Every deletion of ours may hide one key of the page.
    const wanted = range.limit === undefined ? range : { ...range, limit: range.limit + own.length };
    const keys = new Set(await this.#backend.keys(wanted));
    for (const key of own) {
      if (this.#written.get(key) === undefined) keys.delete(key);
      else keys.add(key);
    }
    return [...keys].sort(compareKeys).slice(0, range.limit);
  }

  put(key: string, value: Uint8Array): void {
    this.#written.set(key, value);
  }

  delete(key: string): void {
    this.#written.set(key, undefined);
  }
}
