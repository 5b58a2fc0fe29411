import { createHash } from 'node:crypto';

/** Bytes of a key in the first column: an entry of a B-tree has at most 2,704, and keys up to 8,192. */
export const HEAD_BYTES = 1024;

/** A key in columns: `(head, tail)` is ordered as the key is, `(head, tailHash)` fits the primary key. */
export interface KeyColumns {
  readonly head: Buffer;
  readonly tail: Buffer;
  /** Empty where the tail is. */
  readonly tailHash: Buffer;
}

const NOTHING = Buffer.alloc(0);

export function columnsOf(key: string | Buffer): KeyColumns {
  const bytes = typeof key === 'string' ? Buffer.from(key) : key;
  if (bytes.length <= HEAD_BYTES) return { head: bytes, tail: NOTHING, tailHash: NOTHING };
  const tail = bytes.subarray(HEAD_BYTES);
  return { head: bytes.subarray(0, HEAD_BYTES), tail, tailHash: createHash('sha256').update(tail).digest() };
}
