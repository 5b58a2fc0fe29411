import { isPromise, whenReady } from '@coffer/kernel';
import type { Clock, Log, MaybePromise, Startable } from '@coffer/kernel';
import { ROOT_NAMESPACE, RequestError, badRequest } from '@coffer/sdk';
import type { NamespaceRef } from '@coffer/sdk';
import { decideTtl } from '@coffer/core-api';
import type { LeaseEntry, LeaseManager, LiveMount } from '@coffer/core-api';
import { StorageError } from '@coffer/storage';
import type { ParsingBackend, Transaction, Transactor } from '@coffer/storage';
import { DueQueue } from './due-queue.ts';
import { deleteLease, putLease } from './lease-writer.ts';
import {
  EMPTY,
  ID_KEYS,
  IRREVOCABLE_KEYS,
  TOKEN_KEYS,
  dueKey,
  encodeLease,
  endOf,
  idKey,
  leaseNameOf,
  parseLease,
} from './records.ts';
import type { LeaseName, StoredLease } from './records.ts';
import { renewSecret, revokeSecret } from './secret-calls.ts';
import type { SecretCallDeps } from './secret-calls.ts';

export interface LeaseServiceDeps extends SecretCallDeps {
  readonly transactor: Transactor;
  readonly backend: ParsingBackend;
  readonly clock: Clock;
  readonly log: Log;
  /** What ends with the lease of a token (`TokenStore.revokeTree`). */
  readonly endToken: (saltedTokenId: string) => Promise<void>;
}

type Lease = Parameters<LeaseManager['registerToken']>[1];
type Origin = Parameters<LeaseManager['registerSecret']>[2];
type Renewed = Awaited<ReturnType<LeaseManager['renew']>>;

/** After so many failed attempts a lease is irrevocable: it waits for an operator. */
const ATTEMPTS_MAX = 6;
const FIRST_RETRY_MS = 10_000;
const ID_CHARACTERS = 24;
const BATCH = 64;
const CONCURRENT_MAX = 16;
/** Of an engine's failure, what is kept with the lease. */
const ERROR_TEXT_MAX = 512;

/** Leases of secrets and tokens, found by their due time. See `LeaseManager`. */
export class LeaseService implements LeaseManager, Startable {
  readonly name = 'leases';
  readonly needs: readonly string[] = ['mounts'];
  readonly #deps: LeaseServiceDeps;
  readonly #due: DueQueue;
  #unsubscribe: (() => void) | undefined;

  constructor(deps: LeaseServiceDeps) {
    this.#deps = deps;
    this.#due = new DueQueue({
      reader: deps.backend,
      clock: deps.clock,
      log: deps.log,
      settle: (name, dueMs) => this.#settle(name, dueMs),
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
    const id = `${from.path.replace(/\/+$/, '')}/${this.#deps.random.base62(ID_CHARACTERS)}`;
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
    if (options.sync) await this.#revokeNow(name, options.force ?? false);
    else await this.#makeDue([name]);
  }

  async revokePrefix(
    namespace: NamespaceRef,
    prefix: string,
    options: { readonly sync: boolean; readonly force: boolean },
  ): Promise<void> {
    if (!prefix.endsWith('/') && (await this.get(namespace, prefix))) await this.revoke(namespace, prefix, options);
    const below = idKey(namespace.id, prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`);
    const naming = `${ID_KEYS}${namespace.id}/`;
    await this.#inPages(below, async (keys) => {
      const names = keys.map((key) => ({ namespaceId: namespace.id, id: key.slice(naming.length) }));
      if (options.sync) await inParallel(names, (name) => this.#revokeNow(name, options.force));
      else await this.#makeDue(names);
    });
  }

  async revokeByToken(saltedTokenId: string): Promise<void> {
    const prefix = `${TOKEN_KEYS}${saltedTokenId}/`;
    await this.#inPages(prefix, (keys) => this.#makeDue(keys.map((key) => leaseNameOf(key, prefix))));
  }

  /** Leases that could not be revoked and are tried no more. */
  async irrevocable(limit: number, namespace: NamespaceRef = ROOT_NAMESPACE): Promise<readonly LeaseEntry[]> {
    const prefix = `${IRREVOCABLE_KEYS}${namespace.id}/`;
    const keys = await this.#deps.backend.keys({
      from: prefix,
      to: endOf(prefix),
      ...(Number.isFinite(limit) ? { limit } : {}),
    });
    const leases: LeaseEntry[] = [];
    for (const key of keys) {
      const lease = await this.get(namespace, key.slice(prefix.length));
      if (lease) leases.push(lease);
    }
    return leases;
  }

  /** How many leases there are; reads index keys only, page by page. */
  async count(namespace: NamespaceRef, kind: 'all' | 'irrevocable'): Promise<number> {
    let count = 0;
    const prefix = `${kind === 'all' ? ID_KEYS : IRREVOCABLE_KEYS}${namespace.id}/`;
    await this.#inPages(prefix, (keys) => {
      count += keys.length;
      return Promise.resolve();
    });
    return count;
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
  async tidy(): Promise<number> {
    let revived = 0;
    await this.#inPages(ID_KEYS, async (keys) => {
      revived += await this.#deps.transactor.run(async (tx) => {
        let count = 0;
        for (const key of keys) {
          const lease = await tx.getParsed(key, parseLease);
          if (!lease || lease.dueMs === 0) continue;
          const due = dueKey(lease.dueMs, lease.namespace.id, lease.id);
          if (lease.irrevocable || (await tx.get(due)) !== undefined) continue;
          tx.put(due, EMPTY);
          count += 1;
        }
        return count;
      });
    });
    return revived;
  }

  /** Deals with one lease whose time came. */
  async #settle(name: LeaseName, dueMs: number): Promise<void> {
    const lease = await this.#deps.backend.getParsed(idKey(name.namespaceId, name.id), parseLease);
    if (!lease || lease.dueMs !== dueMs) {
      // The index is written with the lease: what names none or an earlier time is left over.
      await this.#deps.transactor.run(async (tx) => {
        const current = await tx.getParsed(idKey(name.namespaceId, name.id), parseLease);
        if (current?.dueMs !== dueMs) tx.delete(dueKey(dueMs, name.namespaceId, name.id));
      });
      return;
    }
    try {
      await this.#end(name, dueMs);
    } catch (error) {
      if (error instanceof StorageError) throw error;
      await this.#failed(name, error);
    }
  }

  /** Revokes a lease, unless it was renewed meanwhile. @param dueMs undefined: whenever it is due */
  async #end(name: LeaseName, dueMs: number | undefined): Promise<void> {
    const key = idKey(name.namespaceId, name.id);
    const token = await this.#deps.transactor.run(async (tx): Promise<string | undefined> => {
      const lease = await tx.getParsed(key, parseLease);
      if (!lease || (dueMs !== undefined && lease.dueMs !== dueMs)) return undefined;
      if (!lease.secret) return lease.saltedTokenId;
      await revokeSecret(this.#deps, tx, lease);
      deleteLease(tx, lease);
      return undefined;
    });
    if (token === undefined) return;
    await this.#deps.endToken(token);
    // Where the token was gone already, its lease is what is left.
    await this.#deps.transactor.run(async (tx) => {
      const lease = await tx.getParsed(key, parseLease);
      if (lease) deleteLease(tx, lease);
    });
  }

  async #failed(name: LeaseName, error: unknown): Promise<void> {
    await this.#deps.transactor.run(async (tx) => {
      const lease = await tx.getParsed(idKey(name.namespaceId, name.id), parseLease);
      if (!lease) return;
      const attempts = (lease.revokeAttempts ?? 0) + 1;
      const given = attempts >= ATTEMPTS_MAX;
      const waitMs = FIRST_RETRY_MS * 2 ** (attempts - 1);
      const text = error instanceof Error ? error.message : 'unknown failure';
      putLease(
        tx,
        {
          ...lease,
          revokeAttempts: attempts,
          revokeError: text.slice(0, ERROR_TEXT_MAX),
          dueMs: given ? 0 : this.#deps.clock.nowMs() + waitMs,
          ...(given ? { irrevocable: true } : {}),
        },
        lease,
      );
    });
    this.#deps.log.warn('a lease could not be revoked', { lease: name.id, error });
  }

  async #revokeNow(name: LeaseName, force: boolean): Promise<void> {
    try {
      await this.#end(name, undefined);
    } catch (error) {
      if (!force || error instanceof StorageError) throw error;
      this.#deps.log.warn('a lease was dropped though its secret could not be revoked', { lease: name.id, error });
      await this.#deps.transactor.run(async (tx) => {
        const lease = await tx.getParsed(idKey(name.namespaceId, name.id), parseLease);
        if (lease) deleteLease(tx, lease);
      });
    }
  }

  /** From now on they are no good, and revoked as soon as there is room. */
  #makeDue(names: readonly LeaseName[]): Promise<void> {
    return this.#deps.transactor.run(async (tx) => {
      const nowMs = this.#deps.clock.nowMs();
      for (const name of names) {
        const lease = await tx.getParsed(idKey(name.namespaceId, name.id), parseLease);
        if (!lease) continue;
        const { irrevocable, revokeAttempts, ...rest } = lease;
        void irrevocable;
        void revokeAttempts;
        const expiresMs = lease.expiresMs === 0 ? nowMs : Math.min(lease.expiresMs, nowMs);
        putLease(tx, { ...rest, expiresMs, dueMs: nowMs }, lease);
      }
    });
  }

  async #inPages(prefix: string, visit: (keys: readonly string[]) => Promise<void>): Promise<void> {
    const to = endOf(prefix);
    for (let from = prefix; ;) {
      const found = this.#deps.backend.keys({ from, to, limit: BATCH });
      const keys = isPromise(found) ? await found : found;
      const last = keys.at(-1);
      if (last === undefined) return;
      await visit(keys);
      from = `${last}\u0000`;
    }
  }
}

/** A token's own lease. */
export function tokenLeaseId(path: string, saltedTokenId: string): string {
  return `${path.replace(/\/+$/, '')}/h${saltedTokenId}`;
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

async function inParallel<T>(items: readonly T[], run: (item: T) => Promise<void>): Promise<void> {
  const waiting = [...items];
  const failures: unknown[] = [];
  const worker = async (): Promise<void> => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) {
      try {
        await run(item);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(CONCURRENT_MAX, items.length) }, worker));
  if (failures.length > 0) throw failures[0];
}
