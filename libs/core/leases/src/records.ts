import { encodeJson } from '@coffer/core-api';
import type { LeaseEntry } from '@coffer/core-api';

/*
 * Each lease is under its id, in the index of due times (when something is to be done about it) and, for a secret,
 * below its token. All three change in one batch.
 */

export const ID_KEYS = 'sys/expire/id/';
export const DUE_KEYS = 'sys/expire/due/';
export const TOKEN_KEYS = 'sys/expire/token/';
export const IRREVOCABLE_KEYS = 'sys/expire/irrevocable/';

/** Times as texts of one length, so that the order of keys is that of times; enough until the year 33658. */
const TIME_DIGITS = 15;

export interface StoredLease extends LeaseEntry {
  /** When it is due: its end, or the next attempt to revoke it. 0: never. */
  readonly dueMs: number;
}

export interface LeaseName {
  readonly namespaceId: string;
  readonly id: string;
}

export const idKey = (namespaceId: string, id: string): string => `${ID_KEYS}${namespaceId}/${id}`;
export const dueTime = (ms: number): string => String(Math.max(0, Math.trunc(ms))).padStart(TIME_DIGITS, '0');
export const dueKey = (ms: number, namespaceId: string, id: string): string =>
  `${DUE_KEYS}${dueTime(ms)}/${namespaceId}/${id}`;
export const tokenKey = (saltedTokenId: string, namespaceId: string, id: string): string =>
  `${TOKEN_KEYS}${saltedTokenId}/${namespaceId}/${id}`;
export const irrevocableKey = (namespaceId: string, id: string): string => `${IRREVOCABLE_KEYS}${namespaceId}/${id}`;

/** The lease that an index key below `prefix` names. */
export function leaseNameOf(key: string, prefix: string): LeaseName {
  const rest = key.slice(prefix.length);
  const slash = rest.indexOf('/');
  return { namespaceId: rest.slice(0, slash), id: rest.slice(slash + 1) };
}

/** The time in a key of the due index. */
export function dueMsOf(key: string): number {
  return Number(key.slice(DUE_KEYS.length, DUE_KEYS.length + TIME_DIGITS));
}

const decoder = new TextDecoder('utf-8', { fatal: true });

export const EMPTY = new Uint8Array(0);
export const encodeLease = (lease: StoredLease): Uint8Array => encodeJson(lease);
export const parseLease = (bytes: Uint8Array): StoredLease =>
  Object.freeze(JSON.parse(decoder.decode(bytes)) as StoredLease);

/** The end of the range of all keys that begin with a prefix. */
export const endOf = (prefix: string): string => `${prefix}\u{10ffff}`;
