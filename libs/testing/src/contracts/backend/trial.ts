import type { Backend, Epoch, WriteOp } from '@coffer/storage';

/** A store to be tried, and how to handle it. */
export interface BackendUnderTest {
  /** Open, empty and active. */
  readonly backend: Backend;
  /** The epoch under which it takes batches now. */
  epoch(): Epoch;
  /**
   * Closes the backend and opens the same data anew; left out for a store that ends with its process. The store that was
   * handed out before is used no more.
   */
  readonly reopen?: () => Promise<Backend>;
  /** Frees what was needed; called after each test, when the backend may be closed already. */
  readonly dispose?: () => Promise<void>;
}

export interface BackendTraits {
  /** The largest value that is tried, in bytes; 1 MiB if left out. */
  readonly valueBytes?: number;
  /** A value of so many bytes is refused as `too-large`; not tried if left out. */
  readonly valueBytesRefused?: number;
}

/** What the parts of the contract work with: the store of the current test. */
export interface SetUp {
  store(): Backend;
  made(): BackendUnderTest;
  write(ops: readonly WriteOp[]): ReturnType<Backend['write']>;
  read(key: string): Promise<string | undefined>;
}

/** Keys that a careless store gets wrong: separators, patterns and escapes of files, SQL, URLs and this store itself. */
export const UNUSUAL_KEYS = [
  'a b/c',
  'it\'s/"quoted"',
  '%/_/%25',
  '*?[a-z]{b,c}',
  '\\back\\slash',
  '..dots../.hidden',
  '__proto__/constructor',
  'tab\there/new\nline',
  'nul\u0000byte',
  'ünï/cödé/日本語',
  '\ue000/private',
  '\u{1f511}/key',
  '-',
  '0',
  'UPPER/lower',
  'upper/lower',
  'e\u0301/decomposed',
  '\u00e9/composed',
] as const;

/** After all keys. */
export const END = '\u{10ffff}';

export const bytes = (value: string): Uint8Array => new TextEncoder().encode(value);
export const text = (value: Uint8Array | undefined): string | undefined =>
  value === undefined ? undefined : new TextDecoder().decode(value);
export const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

/** Operations on keys, each with a value that names it. */
export const puts = (...keys: readonly string[]): WriteOp[] =>
  keys.map((key) => ({ kind: 'put', key, value: bytes(`value of ${key}`) }));
export const deletes = (...keys: readonly string[]): WriteOp[] => keys.map((key) => ({ kind: 'delete', key }));

/** Some store may throw where another rejects. */
export const outcome = async (work: () => unknown): Promise<unknown> => {
  try {
    return await work();
  } catch (error) {
    return error;
  }
};
