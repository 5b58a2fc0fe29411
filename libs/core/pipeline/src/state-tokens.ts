import { createHmac, createSecretKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { equalInConstantTime } from '@coffer/kernel';
import { badRequest } from '@coffer/sdk';

const FORM = /^v1:([^:]{1,128}):(\d{1,15}):(\d{1,15})$/;
const TEXT_LENGTH_MAX = 512;

/**
 * Values of `X-Vault-Index`: how far a write has brought the store, for reads that must see it. Base64 of
 * `v1:<cluster id>:<index>:<index>:<hex of HMAC-SHA-256 over what is before it>`, as Vault's Go client takes it apart to
 * keep the newest of several. The key is the cluster's: an index that was made up, or is of another cluster, is told
 * from one that this cluster gave.
 */
export class StateTokens {
  readonly #key: KeyObject;
  readonly #clusterId: () => string;
  /** Writes of one group share an index. */
  #latest: { readonly index: number; readonly text: string } | undefined;

  constructor(key: Uint8Array, clusterId: () => string) {
    this.#key = createSecretKey(key);
    this.#clusterId = clusterId;
  }

  issue(index: number): string {
    if (this.#latest?.index === index) return this.#latest.text;
    const state = `v1:${this.#clusterId()}:${String(index)}:${String(index)}`;
    const text = Buffer.from(`${state}:${this.#hmac(state)}`).toString('base64');
    this.#latest = { index, text };
    return text;
  }

  /** @throws RequestError `bad-request` for what this cluster did not issue */
  indexOf(text: string): number {
    if (text.length > TEXT_LENGTH_MAX) throw malformed();
    const whole = Buffer.from(text, 'base64').toString('latin1');
    const end = whole.lastIndexOf(':');
    const state = whole.slice(0, Math.max(end, 0));
    const [, clusterId, index] = FORM.exec(state) ?? [];
    if (index === undefined) throw malformed();
    if (clusterId !== this.#clusterId() || !equalInConstantTime(whole.slice(end + 1), this.#hmac(state)))
      throw badRequest('X-Vault-Index: this cluster has not issued it');
    return Number(index);
  }

  #hmac(state: string): string {
    return createHmac('sha256', this.#key).update(state).digest('hex');
  }
}

function malformed(): Error {
  return badRequest('X-Vault-Index: expected a value that a write was answered with');
}
