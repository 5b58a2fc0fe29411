import type { MaybePromise } from '@coffer/kernel';

/**
 * Keys are `/`-separated paths without a leading slash (`core/mounts`, `logical/<uuid>/app`), at most `KEY_BYTES_MAX`
 * bytes in UTF-8, ordered by their bytes. Values are opaque bytes.
 */
export const KEY_BYTES_MAX = 8192;

/** A page of a listing. */
export interface ListOptions {
  /** Only names after this one (exclusive). */
  readonly after?: string;
  /** At most so many names; all of them if left out. */
  readonly limit?: number;
}

/** Keys from `from` (inclusive) to `to` (exclusive), in the order of their bytes. */
export interface KeyRange {
  readonly from: string;
  readonly to: string;
  readonly limit?: number;
}

/** Reading. What is returned belongs to the callee: nobody writes into it. */
export interface Reader {
  /** The value under a key, or undefined. */
  get(key: string): MaybePromise<Uint8Array | undefined>;
  /**
   * The names directly below a prefix, which is empty or ends with `/`: a leaf by its name, a folder by its name and a
   * `/` (once, however much it holds), sorted by bytes.
   */
  list(prefix: string, options?: ListOptions): MaybePromise<string[]>;
  /** The whole keys of a range, for indexes that are ordered by their keys. */
  keys(range: KeyRange): MaybePromise<string[]>;
}

export type WriteOp =
  | { readonly kind: 'put'; readonly key: string; readonly value: Uint8Array }
  | { readonly kind: 'delete'; readonly key: string };

/**
 * Names one uninterrupted reign of a node as the active one; a fencing token. Raft's is the term. A batch that was
 * judged under one epoch is never applied under another.
 */
export type Epoch = number;

/** Operations that take effect together or not at all, in order. */
export interface WriteBatch {
  readonly ops: readonly WriteOp[];
  readonly epoch: Epoch;
}

/** Where a batch stands in the order of all batches; grows by at least one with each. */
export interface WriteResult {
  readonly index: number;
}

/** What took effect in this node's state, told in order, in the very turn in which it becomes visible to `get`. */
export interface AppliedBatch {
  readonly index: number;
  readonly keys: readonly string[];
  /** The whole state was replaced (a snapshot was installed or restored): every cached value is void. */
  readonly everything?: true;
}

export type AppliedListener = (batch: AppliedBatch) => void;

/**
 * A physical store. It is untrusted: it sees ciphertext only. Each passes `describeBackend` (see `@coffer/testing`).
 */
export interface Backend extends Reader {
  /** As in a configuration file: `raft`, `inmem`, … */
  readonly kind: string;
  /**
   * Applies a batch. Resolves when it is durable (by a majority where there are several nodes) and visible here. Batches
   * take effect in the order of the calls.
   *
   * @throws StorageError `not-active` (nothing was written), `epoch-lost` (nothing was written), `in-doubt` (it may or
   *   may not take effect: only when this node dies or is cut off), `too-large`, `disk` (nothing was written)
   */
  write(batch: WriteBatch): Promise<WriteResult>;
  /**
   * Returns (at once where nothing is to wait for) when this node's state is at least as new as any write acknowledged
   * anywhere before the call: reads that follow are linearizable.
   *
   * @throws StorageError `no-leader`, `deadline`
   */
  readBarrier(signal?: AbortSignal): MaybePromise<void>;
  /** Tells what is applied, on the active node and on standbys. Returns the function that ends it. */
  subscribe(listener: AppliedListener): () => void;
  /** The index of the newest batch that is visible here. */
  appliedIndex(): number;
  close(): Promise<void>;
}

/** What a store is asked for before it is opened by the barrier. */
export type StorageErrorCode =
  | 'not-active'
  | 'epoch-lost'
  | 'in-doubt'
  | 'no-leader'
  | 'deadline'
  | 'too-large'
  | 'disk'
  | 'corrupt'
  | 'conflict'
  | 'closed';

/** An expected failure of a store. The message is for the operator and carries no data. */
export class StorageError extends Error {
  override readonly name = 'StorageError';
  readonly code: StorageErrorCode;

  constructor(code: StorageErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
