import { createHmac, createSecretKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { BoundedCache } from '@coffer/kernel';

const CACHED_IDS_MAX = 50_000;
/** Ids of longer tokens are made anew each time, so that they do not fill the memory. */
const CACHED_LENGTH_MAX = 4096;
/** No token is longer: batch tokens hold policies and metadata, but a request header holds no more than this. */
export const TOKEN_LENGTH_MAX = 32_768;

/** Salted ids: HMAC-SHA-256 in hex (RFC 2104) under keys of the cluster. Those of tokens in use are remembered. */
export class Salts {
  readonly #tokenKey: KeyObject;
  readonly #accessorKey: KeyObject;
  readonly #ids = new BoundedCache<string, string>(CACHED_IDS_MAX);

  constructor(tokenKey: Uint8Array, accessorKey: Uint8Array) {
    this.#tokenKey = createSecretKey(tokenKey);
    this.#accessorKey = createSecretKey(accessorKey);
  }

  ofToken(token: string): string {
    const known = this.#ids.get(token);
    if (known !== undefined) return known;
    return createHmac('sha256', this.#tokenKey).update(token).digest('hex');
  }

  /** Only of tokens that exist: guesses do not push them out. */
  remember(token: string, saltedId: string): void {
    if (token.length <= CACHED_LENGTH_MAX) this.#ids.set(token, saltedId);
  }

  ofAccessor(accessor: string): string {
    return createHmac('sha256', this.#accessorKey).update(accessor).digest('hex');
  }
}
