import type { NamespaceRef } from '@coffer/sdk';

/** By id, in the tree that `sys/leases/lookup` lists. */
const IDS = 'sys/expire/id/';
/** By the time when they are due: the order of the keys is the order of the times. */
export const DUE = 'sys/expire/due/';
/** By the token they belong to. */
const TOKENS = 'sys/expire/token/';
const DUE_DIGITS = 15;

export const idKey = (namespace: NamespaceRef, id: string): string => `${IDS}${namespace.id}/${id}`;
export const tokenPrefix = (saltedTokenId: string): string => `${TOKENS}${saltedTokenId}/`;

/** Leases with their namespaces as one segment of a key. */
const reference = (namespaceId: string, id: string): string => encodeURIComponent(`${namespaceId}/${id}`);

export const tokenKey = (saltedTokenId: string, namespaceId: string, id: string): string =>
  tokenPrefix(saltedTokenId) + reference(namespaceId, id);

/** @param dueMs milliseconds since 1970 */
export function dueKey(dueMs: number, namespaceId: string, id: string): string {
  return `${DUE}${String(dueMs).padStart(DUE_DIGITS, '0')}/${reference(namespaceId, id)}`;
}

/** Keys of what is due until then, inclusive. */
export const dueUntil = (dueMs: number): { readonly from: string; readonly to: string } => ({
  from: DUE,
  to: `${DUE}${String(dueMs + 1).padStart(DUE_DIGITS, '0')}/`,
});

export const DUE_RANGE = { from: DUE, to: `${DUE}~` } as const;

/** When a due key is due, in milliseconds since 1970, and which lease it names. */
export function parseDueKey(key: string): {
  readonly dueMs: number;
  readonly namespaceId: string;
  readonly id: string;
} {
  const dueMs = Number(key.slice(DUE.length, DUE.length + DUE_DIGITS));
  return { dueMs, ...parseReference(key.slice(DUE.length + DUE_DIGITS + 1)) };
}

export function parseReference(segment: string): { readonly namespaceId: string; readonly id: string } {
  const text = decodeURIComponent(segment);
  const slash = text.indexOf('/');
  return { namespaceId: text.slice(0, slash), id: text.slice(slash + 1) };
}
