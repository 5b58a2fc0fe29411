import type { Transaction } from '@coffer/storage';
import { EMPTY, dueKey, encodeLease, idKey, irrevocableKey, tokenKey } from './records.ts';
import type { StoredLease } from './records.ts';

/** Writes a lease and its indexes; `before` is what was stored. */
export function putLease(tx: Transaction, lease: StoredLease, before?: StoredLease): void {
  const { id, namespace, dueMs } = lease;
  if (before && before.dueMs !== dueMs && before.dueMs > 0) tx.delete(dueKey(before.dueMs, namespace.id, id));
  if (before?.irrevocable && !lease.irrevocable) tx.delete(irrevocableKey(namespace.id, id));
  tx.put(idKey(namespace.id, id), encodeLease(lease));
  if (dueMs > 0) tx.put(dueKey(dueMs, namespace.id, id), EMPTY);
  if (lease.secret && lease.saltedTokenId !== '') tx.put(tokenKey(lease.saltedTokenId, namespace.id, id), EMPTY);
  if (lease.irrevocable) tx.put(irrevocableKey(namespace.id, id), EMPTY);
}

export function deleteLease(tx: Transaction, lease: StoredLease): void {
  const { id, namespace } = lease;
  tx.delete(idKey(namespace.id, id));
  if (lease.dueMs > 0) tx.delete(dueKey(lease.dueMs, namespace.id, id));
  if (lease.secret && lease.saltedTokenId !== '') tx.delete(tokenKey(lease.saltedTokenId, namespace.id, id));
  if (lease.irrevocable) tx.delete(irrevocableKey(namespace.id, id));
}
