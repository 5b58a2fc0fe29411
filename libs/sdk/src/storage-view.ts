import type { MaybePromise } from '@coffer/kernel';

/** A page of names. `after` is exclusive. */
export interface Page {
  readonly after?: string;
  readonly limit?: number;
}

/** A mount's own part of the store. Keys are relative to it. */
export interface ReadableView {
  get(key: string): MaybePromise<Uint8Array | undefined>;
  /** The parsed value, deeply frozen and shared with other readers (it is cached): copy before changing. */
  getJson<T>(key: string): MaybePromise<T | undefined>;
  /** Names directly below `prefix` ('' or ending with `/`); folders end with `/`. Sorted by bytes. */
  list(prefix: string, page?: Page): MaybePromise<string[]>;
  /** Whole keys from `from` (inclusive) to `to` (exclusive). */
  keys(range: { readonly from: string; readonly to: string; readonly limit?: number }): MaybePromise<string[]>;
}

/**
 * What a handler reads and writes. Everything written goes to storage as one batch, together with the lease or token
 * that the answer creates, when the handler returns; a handler that throws writes nothing. Reads see own writes. If
 * something that was read changes meanwhile, the handler runs again: it has no other effects (see `defineIntent`
 * for those that must).
 */
export interface StorageView extends ReadableView {
  put(key: string, value: Uint8Array): void;
  putJson(key: string, value: unknown): void;
  delete(key: string): void;
}
