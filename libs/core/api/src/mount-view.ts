import { isPromise } from '@coffer/kernel';
import type { MaybePromise } from '@coffer/kernel';
import type { Page, ReadableView, StorageView } from '@coffer/sdk';
import type { KeyRange, Reader, Transaction } from '@coffer/storage';
import { encodeJson, parseFrozen } from './json-record.ts';

/** A reader that keeps parsed values beside the bytes (the barrier's cache). */
export interface ParsingReader extends Reader {
  getParsed(key: string, parse: (bytes: Uint8Array) => unknown): MaybePromise<unknown>;
}

/** A mount's part of a store, for reading. */
export class ReadOnlyMountView implements ReadableView {
  protected readonly prefix: string;
  readonly #reader: ParsingReader;

  /** @param prefix the mount's storage prefix, ending with `/` */
  constructor(reader: ParsingReader, prefix: string) {
    this.#reader = reader;
    this.prefix = prefix;
  }

  get(key: string): MaybePromise<Uint8Array | undefined> {
    return this.#reader.get(this.prefix + key);
  }

  getJson<T>(key: string): MaybePromise<T | undefined> {
    // What is stored was written by `putJson` of the same collection: its type is the caller's contract.
    return this.#reader.getParsed(this.prefix + key, parseFrozen) as MaybePromise<T | undefined>;
  }

  list(prefix: string, page?: Page): MaybePromise<string[]> {
    return this.#reader.list(this.prefix + prefix, page);
  }

  keys(range: KeyRange): MaybePromise<string[]> {
    const { prefix } = this;
    const found = this.#reader.keys({ ...range, from: prefix + range.from, to: prefix + range.to });
    const relative = (keys: string[]): string[] => keys.map((key) => key.slice(prefix.length));
    return isPromise(found) ? found.then(relative) : relative(found);
  }
}

/** The same within a request's transaction. */
export class MountView extends ReadOnlyMountView implements StorageView {
  readonly #transaction: Transaction;

  constructor(transaction: Transaction, prefix: string) {
    super(transaction, prefix);
    this.#transaction = transaction;
  }

  put(key: string, value: Uint8Array): void {
    this.#transaction.put(this.prefix + key, value);
  }

  putJson(key: string, value: unknown): void {
    this.#transaction.put(this.prefix + key, encodeJson(value));
  }

  delete(key: string): void {
    this.#transaction.delete(this.prefix + key);
  }
}
