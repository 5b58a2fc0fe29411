import type { Clock, Random } from '@coffer/kernel';
import { RequestError } from '@coffer/sdk';
import type { LeaseTerms, RequestContext, SecretType } from '@coffer/sdk';
import { MountView } from '@coffer/core-api';
import type { CoreRequestContext, LeaseEntry, LiveMount, Router } from '@coffer/core-api';
import type { Transaction } from '@coffer/storage';

/** How long an engine may take for one revocation or renewal. */
const DEADLINE_MS = 60_000;

export interface SecretCallDeps {
  readonly router: () => Router;
  readonly clock: Clock;
  readonly random: Random;
}

interface Found {
  readonly mount: LiveMount;
  readonly type: SecretType<unknown>;
}

/** @throws RequestError where mount or secret type are gone */
function find(deps: SecretCallDeps, lease: LeaseEntry): Found {
  const mount = deps.router().byAccessor(lease.mountAccessor);
  if (!mount) throw new RequestError('internal', 'the mount of the lease is gone');
  if (mount.unavailable !== undefined) throw new RequestError('internal', mount.unavailable);
  const type = mount.type.secretTypes?.find((candidate) => candidate.type === lease.secret?.type);
  if (!type) throw new RequestError('internal', 'the mount has no secrets of the type of the lease');
  return { mount, type };
}

function contextOf(deps: SecretCallDeps, tx: Transaction, lease: LeaseEntry, { mount }: Found): RequestContext {
  const nowMs = deps.clock.nowMs();
  const context: CoreRequestContext = {
    request: {
      id: deps.random.uuid(),
      operation: 'update',
      namespace: lease.namespace,
      path: lease.path,
      data: lease.secret?.data ?? {},
      headers: {},
      connection: { remoteAddress: '', remotePort: 0 },
      deadlineMs: deps.clock.monotonicMs() + DEADLINE_MS,
      signal: mount.context.signal,
      noForwarding: true,
      allowStale: false,
    },
    operation: 'update',
    view: new MountView(tx, mount.storagePrefix),
    relativePath: lease.path.slice(mount.prefix.length),
    nowMs,
    warn: () => undefined,
    transaction: tx,
    mount,
  };
  return context;
}

export async function revokeSecret(deps: SecretCallDeps, tx: Transaction, lease: LeaseEntry): Promise<void> {
  const found = find(deps, lease);
  await found.type.revoke(found.mount.engine, lease.secret?.internal ?? {}, contextOf(deps, tx, lease, found));
}

/** @throws RequestError for a type that cannot be renewed */
export async function renewSecret(
  deps: SecretCallDeps,
  tx: Transaction,
  lease: LeaseEntry,
  incrementSeconds: number,
): Promise<{ readonly terms: LeaseTerms; readonly mount: LiveMount }> {
  const found = find(deps, lease);
  if (found.mount.entry.tainted) throw new RequestError('bad-request', 'the mount of the lease is being removed');
  const { renew } = found.type;
  if (!renew) throw new RequestError('bad-request', 'lease is not renewable');
  const context = { ...contextOf(deps, tx, lease, found), incrementSeconds, issuedMs: lease.issuedMs };
  const terms = await renew(found.mount.engine, lease.secret?.internal ?? {}, context);
  return { terms, mount: found.mount };
}
