import type { KeyRange, ListOptions, StorageError, WriteOp } from '@coffer/storage';
import { listNames } from './list-names.ts';
import type { LogBatch } from './log-store.ts';
import type { OneWrite } from './one-write.ts';
import { isFault, levelError, written, type Level } from './open-level.ts';
import { Overlay } from './overlay.ts';
import type { SpaceKeeper } from './space-keeper.ts';

/**
 * The state that counts now: what of it is in LevelDB, below a prefix, and over that what was applied since
 * (`Overlay`). Reads see both as one.
 */
export class PresentState {
  readonly #db: Level;
  readonly #space: SpaceKeeper;
  readonly #oneWrite: OneWrite;
  readonly #fault: (error: StorageError) => void;
  readonly #overlay = new Overlay();
  #prefix: string;

  /** @param parts.fault told of reads that fail by the disk's fault */
  constructor(parts: {
    readonly db: Level;
    readonly space: SpaceKeeper;
    readonly oneWrite: OneWrite;
    readonly fault: (error: StorageError) => void;
    readonly prefix: string;
  }) {
    this.#db = parts.db;
    this.#space = parts.space;
    this.#oneWrite = parts.oneWrite;
    this.#fault = parts.fault;
    this.#prefix = parts.prefix;
  }

  /** Where its keys in LevelDB begin. */
  get prefix(): string {
    return this.#prefix;
  }

  /** @throws StorageError `disk` */
  get(key: string): Uint8Array | undefined {
    const laid = this.#overlay.get(key);
    if (laid !== undefined) return laid.value;
    try {
      return this.#db.getSync(this.#prefix + key);
    } catch (error) {
      throw this.#readingFailed(error);
    }
  }

  /** @throws StorageError `disk` */
  async list(prefix: string, options: ListOptions): Promise<string[]> {
    if (!this.#overlay.visible) await this.#lay();
    try {
      return await listNames(this.#db, this.#prefix, prefix, options);
    } catch (error) {
      throw this.#readingFailed(error);
    }
  }

  /** @throws StorageError `disk` */
  async keys(range: KeyRange): Promise<string[]> {
    if (!this.#overlay.visible) await this.#lay();
    const prefix = this.#prefix;
    const bounds = { gte: prefix + range.from, lt: prefix + range.to, limit: range.limit ?? -1 };
    try {
      const keys = await this.#db.keys(bounds).all();
      return keys.map((key) => key.slice(prefix.length));
    } catch (error) {
      throw this.#readingFailed(error);
    }
  }

  /** Visible to `get` at once. */
  apply(ops: readonly WriteOp[]): void {
    for (const op of ops) {
      if (op.kind === 'put') {
        this.#overlay.put(op.key, op.value);
        this.#space.wrote(op.key.length + op.value.length);
      } else {
        this.#overlay.delete(op.key);
        this.#space.deleted(op.key);
      }
    }
  }

  /** Gives a batch all that was applied; `written` says when it is on disk. */
  handOver(batch: LogBatch): void {
    for (const [key, item] of this.#overlay.take()) this.#add(batch, key, item.value);
  }

  /** The batch that was handed everything is on disk. */
  written(): void {
    this.#overlay.taken();
  }

  /** Another state counts from now on. @param pending what of it is not in LevelDB yet */
  replace(prefix: string, pending: Iterable<readonly [string, Uint8Array]> = []): void {
    this.#prefix = prefix;
    this.#overlay.clear();
    for (const [key, value] of pending) this.#overlay.put(key, value);
  }

  /** Writes what was applied where iterators see it, unsynced; it stays in the overlay and goes with the next batch. */
  async #lay(): Promise<void> {
    await this.#oneWrite.run(async () => {
      if (this.#overlay.visible) return;
      const batch = this.#db.batch();
      for (const [key, item] of this.#overlay.peek()) this.#add(batch, key, item.value);
      const mark = this.#overlay.mark();
      await written(batch.write());
      this.#overlay.laid(mark);
    });
  }

  #add(batch: LogBatch, key: string, value: Uint8Array | undefined): void {
    if (value === undefined) batch.del(this.#prefix + key);
    else batch.put(this.#prefix + key, value);
  }

  #readingFailed(error: unknown): StorageError {
    const failure = levelError('the disk could not be read', error);
    if (isFault(error)) this.#fault(failure);
    return failure;
  }
}
