import { randomBytes, randomInt, randomUUID } from 'node:crypto';

/** The only source of chance. Production has `systemRandom`; simulations bring a seeded one. */
export interface Random {
  /** `count` unpredictable bytes, in a buffer of their own. */
  bytes(count: number): Uint8Array;
  /** A version 4 UUID in lower case (RFC 9562, section 5.4). */
  uuid(): string;
  /** A whole number in [0, below), without bias. */
  below(below: number): number;
  /** `length` characters from 0-9A-Za-z, each chosen without bias. */
  base62(length: number): string;
}

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
/** The largest multiple of 62 below 256: bytes from there on are thrown away, so that no character is likelier. */
const BASE62_CUTOFF = 248;

/** Nonces and ids come from a stock that is drawn at once: a call for each costs more than the encryption. Keys do not. */
const POOLED_BYTES_MAX = 16;
const POOL_BYTES = 4096;
let pool = new Uint8Array(0);
let poolAt = 0;

/** Each byte is given out once, and overwritten where it lay. */
function pooledBytes(count: number): Uint8Array {
  if (poolAt + count > pool.length) {
    pool = new Uint8Array(randomBytes(POOL_BYTES));
    poolAt = 0;
  }
  const bytes = pool.slice(poolAt, poolAt + count);
  pool.fill(0, poolAt, poolAt + count);
  poolAt += count;
  return bytes;
}

/** The operating system's cryptographic random numbers. */
export const systemRandom: Random = {
  bytes: (count) => (count <= POOLED_BYTES_MAX ? pooledBytes(count) : new Uint8Array(randomBytes(count))),
  uuid: () => randomUUID(),
  below: (below) => randomInt(below),
  base62(length) {
    let text = '';
    while (text.length < length) {
      for (const byte of randomBytes(length - text.length + 8)) {
        if (byte < BASE62_CUTOFF && text.length < length) text += BASE62[byte % 62];
      }
    }
    return text;
  },
};
