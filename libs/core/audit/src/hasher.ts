import { createHmac, createSecretKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { Secret } from '@coffer/kernel';
import { isRawJson } from '@coffer/sdk';

/** Replaces values by HMAC-SHA-256 under a device's salt, so that lines can be searched for a known value but show none. */
export class Hasher {
  readonly #salt: KeyObject;
  readonly #raw: boolean;

  /** @param raw `log_raw`: show everything, for those who said so */
  constructor(salt: Uint8Array, raw: boolean) {
    this.#salt = createSecretKey(salt);
    this.#raw = raw;
  }

  /** `hmac-sha256:<hex>`, whatever the device's options. */
  hash(text: string | Uint8Array): string {
    return `hmac-sha256:${createHmac('sha256', this.#salt).update(text).digest('hex')}`;
  }

  text(text: string): string {
    return this.#raw || text === '' ? text : this.hash(text);
  }

  /**
   * Every string and byte string in a value, at any depth; numbers, booleans and null stay. What lies below a key of
   * `publicKeys` stays as it is. Keys are shown.
   */
  value(value: unknown, publicKeys: ReadonlySet<string>): unknown {
    if (typeof value === 'string') return this.text(value);
    if (value instanceof Uint8Array) return this.#raw ? Buffer.from(value).toString('base64') : this.hash(value);
    if (value instanceof Secret) return this.value(value.reveal(), publicKeys);
    if (Array.isArray(value)) return value.map((item) => this.value(item, publicKeys));
    if (typeof value !== 'object' || value === null || isRawJson(value)) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, inner]) => [key, publicKeys.has(key) ? inner : this.value(inner, publicKeys)]),
    );
  }
}
