import type { Clock } from '@coffer/kernel';
import { RequestError } from '@coffer/sdk';
import type { LeaseTerms, Request, RequestContext, SecretType } from '@coffer/sdk';
import type { LeaseEntry, LiveMount } from '@coffer/core-api';
import { MountView } from '@coffer/core-api';
import type { Transaction } from '@coffer/storage';

function typeOf(mount: LiveMount, lease: LeaseEntry): SecretType<unknown> {
  const type = mount.type.secretTypes?.find((candidate) => candidate.type === lease.secret?.type);
  if (!type || mount.unavailable !== undefined)
    throw new RequestError('internal', mount.unavailable ?? 'the mount has no such type of secret');
  return type;
}

/** Renewal and revocation come from no client: the request names the lease's path and nothing else. */
function contextOf(mount: LiveMount, lease: LeaseEntry, transaction: Transaction, clock: Clock): RequestContext {
  const request: Request = {
    id: '',
    operation: 'update',
    namespace: lease.namespace,
    path: lease.path,
    data: {},
    headers: {},
    connection: { remoteAddress: '', remotePort: 0 },
    deadlineMs: clock.monotonicMs() + 60_000,
    signal: mount.context.signal,
    noForwarding: true,
    allowStale: false,
  };
  return {
    request,
    operation: 'update',
    view: new MountView(transaction, mount.storagePrefix),
    relativePath: lease.path.slice(mount.prefix.length),
    nowMs: clock.nowMs(),
    warn: () => undefined,
  };
}

/** @throws RequestError where the type cannot be renewed */
export async function renewSecret(
  mount: LiveMount,
  lease: LeaseEntry,
  transaction: Transaction,
  incrementSeconds: number,
  clock: Clock,
): Promise<LeaseTerms> {
  const type = typeOf(mount, lease);
  if (!type.renew) throw new RequestError('bad-request', 'lease is not renewable');
  const context = { ...contextOf(mount, lease, transaction, clock), incrementSeconds, issuedMs: lease.issuedMs };
  return type.renew(mount.engine, lease.secret?.internal ?? {}, context);
}

export async function revokeSecret(
  mount: LiveMount,
  lease: LeaseEntry,
  transaction: Transaction,
  clock: Clock,
): Promise<void> {
  await typeOf(mount, lease).revoke(
    mount.engine,
    lease.secret?.internal ?? {},
    contextOf(mount, lease, transaction, clock),
  );
}
