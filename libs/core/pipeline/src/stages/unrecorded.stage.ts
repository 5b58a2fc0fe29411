import { Secret } from '@coffer/kernel';
import type { Log } from '@coffer/kernel';
import type { CoreServices } from '../node-status.ts';
import type { Outcome } from '../outcome.ts';
import type { Run } from '../run.ts';

/**
 * What becomes of an answer that no device could record: what the request has made is taken back, a token, a wrapped answer
 * and what is in it, a lease. They would live on unseen (CVE-2026-46405).
 *
 * @throws the failure, unless the path says that its answer must not be lost
 */
export async function unrecorded(
  run: Run,
  services: CoreServices,
  outcome: Outcome,
  failure: unknown,
  log: Log,
): Promise<void> {
  const fields = { requestId: run.request.id, path: run.request.path };
  if (run.path?.answeredUnrecorded) {
    log.error('an answer that must not be lost was given unrecorded', { ...fields, error: failure });
    return;
  }
  try {
    if (outcome.kind === 'answered') await takeBack(run, services, outcome);
  } catch (error) {
    log.error('what an answer that nobody gets had made could not be taken back', { ...fields, error });
  }
  throw failure;
}

async function takeBack(
  run: Run,
  services: CoreServices,
  outcome: Outcome & { readonly kind: 'answered' },
): Promise<void> {
  const { auth, response } = outcome;
  const { tokens, leases } = services;
  for (const text of [auth?.clientToken, response?.wrapInfo?.token]) {
    if (!text) continue;
    const entry = await tokens.lookup(new Secret(text));
    // A renewal answers with the token that was there before.
    const isNew = entry?.type === 'service' && entry.createdMs >= run.nowMs && entry.lastRenewedMs === 0;
    if (isNew) await tokens.revokeTree(entry.saltedId);
  }
  const wrapped = response?.wrapInfo?.wrappedAccessor;
  const inner = wrapped === undefined ? undefined : await tokens.byAccessor(wrapped);
  if (inner && inner.createdMs >= run.nowMs) await tokens.revokeTree(inner.saltedId);
  const leaseId = response?.lease?.id;
  const lease = leaseId ? await leases.get(run.request.namespace, leaseId) : undefined;
  if (lease && lease.issuedMs >= run.nowMs) await leases.revoke(run.request.namespace, lease.id, { sync: false });
}
