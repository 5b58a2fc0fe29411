import { whenReady, withoutEndSlashes } from '@coffer/kernel';
import type { MaybePromise, Startable } from '@coffer/kernel';
import { ROOT_NAMESPACE, RequestError, badRequest } from '@coffer/sdk';
import type { NamespaceRef } from '@coffer/sdk';
import { decideTtl } from '@coffer/core-api';
import type { LeaseEntry, LeaseManager, LiveMount } from '@coffer/core-api';
import type { Transaction } from '@coffer/storage';
import { DueQueue } from './due-queue.ts';
import { inPages, inParallel } from './lease-pages.ts';
import { LeaseRevoker } from './lease-revoker.ts';
import type { LeaseRevokerDeps } from './lease-revoker.ts';
import { LeaseSurvey } from './lease-survey.ts';
import { deleteLease, putLease } from './lease-writer.ts';
import { EMPTY, ID_KEYS, TOKEN_KEYS, dueKey, encodeLease, idKey, leaseNameOf, parseLease } from './records.ts';
import type { StoredLease } from './records.ts';
import { renewSecret } from './secret-calls.ts';

export type LeaseServiceDeps = LeaseRevokerDeps;

type Lease = Parameters<LeaseManager['registerToken']>[1];
type Origin = Parameters<LeaseManager['registerSecret']>[2];
type Renewed = Awaited<ReturnType<LeaseManager['renew']>>;

const ID_CHARACTERS = 24;

/** Leases of secrets and tokens, found by their due time. See `LeaseManager`. */
export class LeaseService implements LeaseManager, Startable {
  readonly name = 'leases';
  readonly needs: readonly string[] = ['mounts'];
  readonly #deps: LeaseServiceDeps;
  readonly #due: DueQueue;
  readonly #revoker: LeaseRevoker;
  readonly #survey: LeaseSurvey;
  #unsubscribe: (() => void) | undefined;

  constructor(deps: LeaseServiceDeps) {
    this.#deps = deps;
    this.#revoker = new LeaseRevoker(deps);
    this.#survey = new LeaseSurvey(deps);
    this.#due = new DueQueue({
      reader: deps.backend,
      clock: deps.clock,
      log: deps.log,
      settle: (name, dueMs) => this.#revoker.settle(name, dueMs),
    });
  }

  start(): void {
    this.#unsubscribe = this.#deps.backend.subscribe((batch) => this.#due.applied(batch));
  }

  /** On becoming active: begins, in the background, to deal with what is due. */
  activate(): void {
    this.#due.start();
  }

  deactivate(): void {
    this.#due.stop();
  }

  stop(): void {
    this.deactivate();
    this.#unsubscribe?.();
    this.#unsubscribe = undefined;
  }

  registerSecret: LeaseManager['registerSecret'] = (tx, grant, from) => {
    const issuedMs = this.#deps.clock.nowMs();
    const mount = this.#deps.router().byAccessor(from.mountAccessor);
    if (!mount) throw new RequestError('internal', 'the mount of the lease is gone');
    const decided = decideTtl({
      ...limitsOf(mount),
      wantedTtlSeconds: grant.ttlSeconds,
      wantedMaxTtlSeconds: grant.maxTtlSeconds,
      issuedMs,
      nowMs: issuedMs,
    });
    const ttlSeconds = withinBatchToken(decided.ttlSeconds ?? 0, from, issuedMs);
    if (ttlSeconds <= 0) throw badRequest('the token ends before a lease could begin');
    const id = `${withoutEndSlashes(from.path)}/${this.#deps.random.base62(ID_CHARACTERS)}`;
    const expiresMs = issuedMs + ttlSeconds * 1000;
    putLease(tx, {
      id,
      namespace: from.namespace,
      mountAccessor: from.mountAccessor,
      path: from.path,
      saltedTokenId: from.saltedTokenId,
      issuedMs,
      lastRenewedMs: 0,
      expiresMs,
      dueMs: expiresMs,
      renewable: grant.renewable,
      ttlSeconds,
      maxTtlSeconds: grant.maxTtlSeconds,
      secret: { type: grant.type, internal: grant.internal, data: from.data },
    });
    return { leaseId: id, ttlSeconds, renewable: grant.renewable, warnings: decided.warnings };
  };

  registerToken(tx: Transaction, lease: Lease): string {
    const id = tokenLeaseId(lease.path, lease.saltedTokenId);
    const { previousExpiresMs } = lease;
    if (previousExpiresMs !== undefined && previousExpiresMs > 0 && previousExpiresMs !== lease.expiresMs)
      tx.delete(dueKey(previousExpiresMs, lease.namespace.id, id));
    const stored: StoredLease = {
      id,
      namespace: lease.namespace,
      mountAccessor: lease.mountAccessor,
      path: lease.path,
      saltedTokenId: lease.saltedTokenId,
      issuedMs: lease.issuedMs,
      lastRenewedMs: previousExpiresMs === undefined ? 0 : this.#deps.clock.nowMs(),
      expiresMs: lease.expiresMs,
      dueMs: lease.expiresMs,
      renewable: lease.renewable,
      ttlSeconds: lease.ttlSeconds,
      maxTtlSeconds: 0,
    };
    tx.put(idKey(lease.namespace.id, id), encodeLease(stored));
    if (stored.dueMs > 0) tx.put(dueKey(stored.dueMs, lease.namespace.id, id), EMPTY);
    return id;
  }

  dropToken(tx: Transaction, namespace: NamespaceRef, path: string, saltedTokenId: string): MaybePromise<void> {
    // The lease may have been moved in the index (a failed attempt, a revocation under way): it says where it is.
    const key = idKey(namespace.id, tokenLeaseId(path, saltedTokenId));
    return whenReady(tx.getParsed(key, parseLease), (lease) => {
      if (lease) deleteLease(tx, lease);
    });
  }

  get(namespace: NamespaceRef, id: string): MaybePromise<LeaseEntry | undefined> {
    return this.#deps.backend.getParsed(idKey(namespace.id, id), parseLease);
  }

  list(namespace: NamespaceRef, prefix: string): MaybePromise<readonly string[]> {
    return this.#deps.backend.list(idKey(namespace.id, prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`));
  }

  renew(namespace: NamespaceRef, id: string, incrementSeconds: number): Promise<Renewed> {
    return this.#deps.transactor.run(async (tx) => {
      const lease = await tx.getParsed(idKey(namespace.id, id), parseLease);
      const nowMs = this.#deps.clock.nowMs();
      if (!lease) throw badRequest('lease not found');
      if (!lease.secret) throw badRequest('tokens cannot be renewed through this endpoint');
      if (lease.expiresMs > 0 && lease.expiresMs <= nowMs) throw badRequest('lease expired');
      if (!lease.renewable) throw badRequest('lease is not renewable');
      const { terms, mount } = await renewSecret(this.#deps, tx, lease, incrementSeconds);
      const decided = decideTtl({
        ...limitsOf(mount),
        incrementSeconds,
        wantedTtlSeconds: terms.ttlSeconds,
        wantedMaxTtlSeconds: terms.maxTtlSeconds ?? lease.maxTtlSeconds,
        issuedMs: lease.issuedMs,
        nowMs,
      });
      if (decided.ttlSeconds === undefined) throw badRequest('past the max TTL, cannot renew');
      const { ttlSeconds } = decided;
      const expiresMs = nowMs + ttlSeconds * 1000;
      putLease(tx, { ...lease, lastRenewedMs: nowMs, ttlSeconds, expiresMs, dueMs: expiresMs }, lease);
      return {
        leaseId: id,
        ttlSeconds,
        renewable: lease.renewable,
        ...(terms.data ? { data: terms.data } : {}),
        warnings: decided.warnings,
      };
    });
  }

  async revoke(
    namespace: NamespaceRef,
    id: string,
    options: { readonly sync: boolean; readonly force?: boolean },
  ): Promise<void> {
    const name = { namespaceId: namespace.id, id };
    if (options.sync) await this.#revoker.revokeNow(name, options.force ?? false);
    else await this.#revoker.makeDue([name]);
  }

  async revokePrefix(
    namespace: NamespaceRef,
    prefix: string,
    options: { readonly sync: boolean; readonly force: boolean },
  ): Promise<void> {
    if (!prefix.endsWith('/') && (await this.get(namespace, prefix))) await this.revoke(namespace, prefix, options);
    const below = idKey(namespace.id, prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`);
    const naming = `${ID_KEYS}${namespace.id}/`;
    await inPages(this.#deps.backend, below, async (keys) => {
      const names = keys.map((key) => ({ namespaceId: namespace.id, id: key.slice(naming.length) }));
      if (options.sync) await inParallel(names, (name) => this.#revoker.revokeNow(name, options.force));
      else await this.#revoker.makeDue(names);
    });
  }

  async revokeByToken(saltedTokenId: string): Promise<void> {
    const prefix = `${TOKEN_KEYS}${saltedTokenId}/`;
    await inPages(this.#deps.backend, prefix, (keys) =>
      this.#revoker.makeDue(keys.map((key) => leaseNameOf(key, prefix))),
    );
  }

  /** Leases that could not be revoked and are tried no more. */
  irrevocable(limit: number, namespace: NamespaceRef = ROOT_NAMESPACE): Promise<readonly LeaseEntry[]> {
    return this.#survey.irrevocable(limit, namespace);
  }

  /** How many leases there are; reads index keys only, page by page. */
  count(namespace: NamespaceRef, kind: 'all' | 'irrevocable'): Promise<number> {
    return this.#survey.count(namespace, kind);
  }

  /** As `tidy`, in the background, and looks for what is due. */
  tidySoon(): void {
    this.tidy().then(
      (count) => {
        this.#deps.log.info('leases were looked through', { putBack: count });
        this.#due.look();
      },
      (error: unknown) => this.#deps.log.warn('leases could not be looked through', { error }),
    );
  }

  /** Puts back what fell out of the index of due times. @returns how many leases */
  tidy(): Promise<number> {
    return this.#survey.tidy();
  }
}

/** A token's own lease. */
export function tokenLeaseId(path: string, saltedTokenId: string): string {
  return `${withoutEndSlashes(path)}/h${saltedTokenId}`;
}

function limitsOf(mount: LiveMount): { readonly defaultTtlSeconds: number; readonly maxTtlSeconds: number } {
  const { system } = mount.context;
  return { defaultTtlSeconds: system.defaultLeaseTtlSeconds(), maxTtlSeconds: system.maxLeaseTtlSeconds() };
}

/** Nobody notices the end of a batch token: what it leased ends with it by itself. */
function withinBatchToken(ttlSeconds: number, from: Origin, nowMs: number): number {
  if (from.tokenType !== 'batch' || from.tokenExpiresMs === 0) return ttlSeconds;
  return Math.min(ttlSeconds, Math.floor((from.tokenExpiresMs - nowMs) / 1000));
}
