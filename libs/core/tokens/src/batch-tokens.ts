import { createCipheriv, createDecipheriv, createSecretKey } from 'node:crypto';
import type { DecipherGCM, KeyObject } from 'node:crypto';
import { BoundedCache } from '@coffer/kernel';
import type { Random } from '@coffer/kernel';
import type { TokenEntry } from '@coffer/core-api';

export const BATCH_PREFIX = 'hvb.';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const ADDITIONAL_DATA = Buffer.from('coffer batch token 1');
const CACHED_MAX = 20_000;
/** Longer ones, which hold much of what somebody chose, are opened each time: so many of them would fill the memory. */
const CACHED_LENGTH_MAX = 4096;

/** What a batch token carries: all of its entry that is not derived from the token's text. */
export type BatchRecord = Omit<TokenEntry, 'saltedId'>;

/**
 * Tokens that are stored nowhere: `hvb.` and base64url of nonce ‖ ciphertext ‖ tag of the entry, by AES-256-GCM under a
 * key of the cluster. Each text has one form: a token whose encoding is not canonical is refused.
 */
export class BatchTokens {
  readonly #key: KeyObject;
  readonly #random: Random;
  readonly #opened = new BoundedCache<string, BatchRecord>(CACHED_MAX);

  constructor(key: Uint8Array, random: Random) {
    this.#key = createSecretKey(key);
    this.#random = random;
  }

  seal(record: BatchRecord): string {
    const nonce = this.#random.bytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce);
    cipher.setAAD(ADDITIONAL_DATA);
    const sealed = Buffer.concat([nonce, cipher.update(JSON.stringify(record)), cipher.final(), cipher.getAuthTag()]);
    return BATCH_PREFIX + sealed.toString('base64url');
  }

  /** Undefined for what this cluster did not seal. */
  open(token: string): BatchRecord | undefined {
    const known = this.#opened.get(token);
    if (known) return known;
    const text = token.slice(BATCH_PREFIX.length);
    const sealed = Buffer.from(text, 'base64url');
    if (sealed.length < NONCE_BYTES + TAG_BYTES || sealed.toString('base64url') !== text) return undefined;
    const decipher = createDecipheriv('aes-256-gcm', this.#key, sealed.subarray(0, NONCE_BYTES), {
      authTagLength: TAG_BYTES,
    });
    decipher.setAAD(ADDITIONAL_DATA);
    decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
    const head = decipher.update(sealed.subarray(NONCE_BYTES, sealed.length - TAG_BYTES));
    const tail = finish(decipher);
    if (!tail) return undefined;
    const record = Object.freeze(JSON.parse(Buffer.concat([head, tail]).toString('utf8')) as BatchRecord);
    if (token.length <= CACHED_LENGTH_MAX) this.#opened.set(token, record);
    return record;
  }
}

/** The last step of GCM fails for one reason only: the tag does not fit. */
function finish(decipher: DecipherGCM): Buffer | undefined {
  try {
    return decipher.final();
  } catch {
    return undefined;
  }
}
