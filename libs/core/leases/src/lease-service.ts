import { assert } from '@coffer/kernel';
import type { CancelTimer, Clock, Log, MaybePromise, Random, Startable } from '@coffer/kernel';
import { RequestError, badRequest, calculateTtl } from '@coffer/sdk';
import type { NamespaceRef, SecretGrant } from '@coffer/sdk';
import type { LeaseEntry, LeaseManager, LiveMount, Router } from '@coffer/core-api';
import type { AppliedBatch, ParsingBackend, Transaction, Transactor } from '@coffer/storage';
import {
  DUE,
  DUE_RANGE,
  dueKey,
  dueUntil,
  idKey,
  parseDueKey,
  parseReference,
  tokenKey,
  tokenPrefix,
} from './lease-keys.ts';
import { renewSecret, revokeSecret } from './secret-lease.ts';

export interface LeaseServiceDeps {
  readonly backend: ParsingBackend;
  readonly transactor: Transactor;
  readonly router: () => Router;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly systemTtl: { readonly defaultSeconds: number; readonly maxSeconds: number };
  /** Ends a token whose lease is due or revoked. */
  readonly endToken: (saltedTokenId: string) => Promise<void>;
}

/** So many due leases are looked at together, and so many revoked at a time. */
const DUE_PER_ROUND = 256;
const REVOKED_AT_ONCE = 32;
/** Attempts to revoke before a lease is given up as irrevocable, and the wait after the first, in milliseconds. */
const ATTEMPTS_MAX = 6;
const RETRY_MS = 10_000;
/** The clock may jump: the next round is never further away than this, in milliseconds. */
const ROUND_MS_MAX = 60_000;

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

const parseLease = (bytes: Uint8Array): LeaseEntry => Object.freeze(JSON.parse(decoder.decode(bytes)) as LeaseEntry);

/** Leases of secrets and tokens; see `LeaseManager`. The state is all in the store: a node that takes over loads nothing. */
export class LeaseService implements LeaseManager, Startable {
  readonly name = 'leases';
  readonly needs: readonly string[] = ['mounts'];
  readonly #deps: LeaseServiceDeps;
  #unsubscribe: (() => void) | undefined;
  #active = false;
  #cancel: CancelTimer | undefined;
  #wakeMs = Number.POSITIVE_INFINITY;
  #underWay = false;

  constructor(deps: LeaseServiceDeps) {
    this.#deps = deps;
  }

  start(): void {
    this.#unsubscribe = this.#deps.backend.subscribe((batch) => this.#applied(batch));
  }

  stop(): void {
    this.deactivate();
    this.#unsubscribe?.();
  }

  /** On becoming active: what is due is revoked from now on, in the background. */
  activate(): void {
    this.#active = true;
    this.#wakeAt(this.#deps.clock.nowMs());
  }

  deactivate(): void {
    this.#active = false;
    this.#cancel?.();
    this.#wakeMs = Number.POSITIVE_INFINITY;
  }

  registerSecret(
    tx: Transaction,
    grant: SecretGrant,
    from: Parameters<LeaseManager['registerSecret']>[2],
  ): ReturnType<LeaseManager['registerSecret']> {
    const { clock, random } = this.#deps;
    const nowMs = clock.nowMs();
    const limits = this.#limitsOf(from.mountAccessor);
    const { ttlSeconds: wanted, warnings } = calculateTtl({
      incrementSeconds: 0,
      ttlSeconds: grant.ttlSeconds,
      maxTtlSeconds: grant.maxTtlSeconds,
      explicitMaxTtlSeconds: 0,
      periodSeconds: 0,
      system: limits,
      issuedMs: nowMs,
      nowMs,
    });
    // Nothing outlives the token it was given to.
    const ttlSeconds =
      from.tokenExpiresMs > 0
        ? Math.min(wanted, Math.max(1, Math.floor((from.tokenExpiresMs - nowMs) / 1000)))
        : wanted;
    const id = `${from.path}/${random.base62(24)}`;
    this.#put(tx, {
      id,
      namespace: from.namespace,
      mountAccessor: from.mountAccessor,
      path: from.path,
      saltedTokenId: from.saltedTokenId,
      issuedMs: nowMs,
      lastRenewedMs: 0,
      expiresMs: nowMs + ttlSeconds * 1000,
      renewable: grant.renewable,
      ttlSeconds: grant.ttlSeconds,
      maxTtlSeconds: grant.maxTtlSeconds,
      secret: { type: grant.type, internal: grant.internal, data: from.data },
    });
    return { leaseId: id, ttlSeconds, renewable: grant.renewable, warnings };
  }

  registerToken(tx: Transaction, lease: Parameters<LeaseManager['registerToken']>[1]): string {
    const id = tokenLeaseId(lease.path, lease.saltedTokenId);
    if (lease.previousExpiresMs) tx.delete(dueKey(lease.previousExpiresMs, lease.namespace.id, id));
    this.#put(tx, {
      id,
      namespace: lease.namespace,
      mountAccessor: lease.mountAccessor,
      path: lease.path,
      saltedTokenId: lease.saltedTokenId,
      issuedMs: lease.issuedMs,
      lastRenewedMs: lease.previousExpiresMs ? this.#deps.clock.nowMs() : 0,
      expiresMs: lease.expiresMs,
      renewable: lease.renewable,
      ttlSeconds: lease.ttlSeconds,
      maxTtlSeconds: 0,
    });
    return id;
  }

  dropToken(
    tx: Transaction,
    path: string,
    saltedTokenId: string,
    expiresMs: number,
    namespace: NamespaceRef = { id: 'root', path: '' },
  ): void {
    const id = tokenLeaseId(path, saltedTokenId);
    tx.delete(idKey(namespace, id));
    if (expiresMs > 0) tx.delete(dueKey(expiresMs, namespace.id, id));
  }

  get(namespace: NamespaceRef, id: string): MaybePromise<LeaseEntry | undefined> {
    return this.#deps.backend.getParsed(idKey(namespace, id), parseLease);
  }

  async renew(namespace: NamespaceRef, id: string, incrementSeconds: number): ReturnType<LeaseManager['renew']> {
    return this.#deps.transactor.run(async (tx) => {
      const lease = await tx.getParsed(idKey(namespace, id), parseLease);
      if (!lease || this.#isPast(lease)) throw badRequest('lease not found');
      if (!lease.secret) throw badRequest('tokens cannot be renewed through this endpoint');
      if (!lease.renewable) throw badRequest('lease is not renewable');
      const terms = await renewSecret(this.#mountOf(lease), lease, tx, incrementSeconds, this.#deps.clock);
      const nowMs = this.#deps.clock.nowMs();
      const { ttlSeconds, warnings } = calculateTtl({
        incrementSeconds,
        ttlSeconds: terms.ttlSeconds || lease.ttlSeconds,
        maxTtlSeconds: terms.maxTtlSeconds ?? lease.maxTtlSeconds,
        explicitMaxTtlSeconds: 0,
        periodSeconds: 0,
        system: this.#limitsOf(lease.mountAccessor),
        issuedMs: lease.issuedMs,
        nowMs,
      });
      if (ttlSeconds <= 0) throw badRequest('past the max TTL, cannot renew');
      tx.delete(dueKey(lease.expiresMs, namespace.id, id));
      this.#put(tx, { ...lease, expiresMs: nowMs + ttlSeconds * 1000, lastRenewedMs: nowMs });
      return { leaseId: id, ttlSeconds, renewable: true, warnings, ...(terms.data ? { data: terms.data } : {}) };
    });
  }

  async revoke(
    namespace: NamespaceRef,
    id: string,
    options: { readonly sync: boolean; readonly force?: boolean },
  ): Promise<void> {
    const lease = await this.get(namespace, id);
    if (!lease) return;
    if (options.sync || options.force) await this.#revokeNow(lease, options.force ?? false);
    else await this.#makeDue([lease]);
  }

  async revokePrefix(
    namespace: NamespaceRef,
    prefix: string,
    options: { readonly sync: boolean; readonly force: boolean },
  ): Promise<void> {
    const from = idKey(namespace, prefix.replace(/\/*$/, '/'));
    for (;;) {
      const keys = await this.#deps.backend.keys({ from, to: `${from}\u{10ffff}`, limit: DUE_PER_ROUND });
      const found = await Promise.all(keys.map((key) => this.#deps.backend.getParsed(key, parseLease)));
      const leases = found.filter((lease) => lease !== undefined);
      if (!options.sync && !options.force) {
        await this.#makeDue(
          leases.filter((lease) => lease.expiresMs === 0 || lease.expiresMs > this.#deps.clock.nowMs()),
        );
        return;
      }
      await inBatches(leases, (lease) => this.#revokeNow(lease, options.force));
      if (keys.length < DUE_PER_ROUND) return;
    }
  }

  async revokeByToken(saltedTokenId: string): Promise<void> {
    const from = tokenPrefix(saltedTokenId);
    const keys = await this.#deps.backend.keys({ from, to: `${from}\u{10ffff}` });
    const leases = await Promise.all(
      keys.map((key) => {
        const { namespaceId, id } = parseReference(key.slice(from.length));
        return this.get({ id: namespaceId, path: '' }, id);
      }),
    );
    await this.#makeDue(leases.filter((lease) => lease !== undefined));
  }

  list(namespace: NamespaceRef, prefix: string): MaybePromise<readonly string[]> {
    const folder = prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`;
    return this.#deps.backend.list(idKey(namespace, folder));
  }

  /** Leases that could not be revoked and are tried no more. */
  async irrevocable(limit: number): Promise<readonly LeaseEntry[]> {
    const from = idKey({ id: 'root', path: '' }, '');
    const found: LeaseEntry[] = [];
    let at = from;
    for (;;) {
      const keys: string[] = await this.#deps.backend.keys({ from: at, to: `${from}\u{10ffff}`, limit: 1000 });
      for (const key of keys) {
        const lease = await this.#deps.backend.getParsed(key, parseLease);
        if (lease?.irrevocable) found.push(lease);
        if (found.length >= limit) return found;
      }
      const last = keys.at(-1);
      if (keys.length < 1000 || last === undefined) return found;
      at = `${last}\u0001`;
    }
  }

  #put(tx: Transaction, lease: LeaseEntry): void {
    tx.put(idKey(lease.namespace, lease.id), encoder.encode(JSON.stringify(lease)));
    if (lease.expiresMs > 0 && !lease.irrevocable)
      tx.put(dueKey(lease.expiresMs, lease.namespace.id, lease.id), new Uint8Array(0));
    if (lease.secret && lease.saltedTokenId !== '')
      tx.put(tokenKey(lease.saltedTokenId, lease.namespace.id, lease.id), new Uint8Array(0));
  }

  #drop(tx: Transaction, lease: LeaseEntry): void {
    tx.delete(idKey(lease.namespace, lease.id));
    if (lease.expiresMs > 0) tx.delete(dueKey(lease.expiresMs, lease.namespace.id, lease.id));
    if (lease.secret && lease.saltedTokenId !== '')
      tx.delete(tokenKey(lease.saltedTokenId, lease.namespace.id, lease.id));
  }

  #isPast(lease: LeaseEntry): boolean {
    return lease.expiresMs > 0 && lease.expiresMs <= this.#deps.clock.nowMs();
  }

  /** From now on these are due: what is stored is enough for another node to go on with it. */
  async #makeDue(leases: readonly LeaseEntry[]): Promise<void> {
    if (leases.length === 0) return;
    const nowMs = this.#deps.clock.nowMs();
    await this.#deps.transactor.run((tx) => {
      for (const lease of leases) {
        if (lease.expiresMs > 0) tx.delete(dueKey(lease.expiresMs, lease.namespace.id, lease.id));
        this.#put(tx, { ...lease, expiresMs: nowMs, irrevocable: false, revokeAttempts: 0 });
      }
    });
    this.#wakeAt(nowMs);
  }

  async #revokeNow(lease: LeaseEntry, force: boolean): Promise<void> {
    if (!lease.secret) {
      await this.#deps.endToken(lease.saltedTokenId);
      // The token may be gone already: its lease must not stay behind.
      await this.#deps.transactor.run((tx) => this.#drop(tx, lease));
      return;
    }
    try {
      await this.#deps.transactor.run(async (tx) => {
        await revokeSecret(this.#mountOf(lease), lease, tx, this.#deps.clock);
        this.#drop(tx, lease);
      });
    } catch (error) {
      if (!force) throw error;
      this.#deps.log.warn('a lease was dropped although its secret could not be revoked', { lease: lease.id, error });
      await this.#deps.transactor.run((tx) => this.#drop(tx, lease));
    }
  }

  #mountOf(lease: LeaseEntry): LiveMount {
    const mount = this.#deps.router().byAccessor(lease.mountAccessor);
    if (!mount) throw new RequestError('internal', 'the mount of the lease is gone');
    return mount;
  }

  #limitsOf(mountAccessor: string): { readonly defaultSeconds: number; readonly maxSeconds: number } {
    const tuning = this.#deps.router().byAccessor(mountAccessor)?.entry.tuning;
    const { systemTtl } = this.#deps;
    return {
      defaultSeconds: tuning?.defaultLeaseTtlSeconds || systemTtl.defaultSeconds,
      maxSeconds: tuning?.maxLeaseTtlSeconds || systemTtl.maxSeconds,
    };
  }

  /** A new lease may be due before the next round. */
  #applied(batch: AppliedBatch): void {
    if (!this.#active) return;
    if (batch.everything) this.#wakeAt(this.#deps.clock.nowMs());
    for (const key of batch.keys) if (key.startsWith(DUE)) this.#wakeAt(parseDueKey(key).dueMs);
  }

  #wakeAt(dueMs: number): void {
    if (!this.#active || dueMs >= this.#wakeMs) return;
    this.#cancel?.();
    this.#wakeMs = dueMs;
    const { clock } = this.#deps;
    this.#cancel = clock.after(Math.min(ROUND_MS_MAX, Math.max(0, dueMs - clock.nowMs())), () => {
      this.#wakeMs = Number.POSITIVE_INFINITY;
      void this.round();
    });
  }

  /** Revokes what is due, then waits for what is due next. */
  async round(): Promise<void> {
    if (this.#underWay || !this.#active) return;
    this.#underWay = true;
    let nextMs = this.#deps.clock.nowMs() + ROUND_MS_MAX;
    try {
      const { backend, clock } = this.#deps;
      while (this.#active) {
        const due = await backend.keys({ ...dueUntil(clock.nowMs()), limit: DUE_PER_ROUND });
        if (due.length === 0) break;
        await inBatches(due, (key) => this.#revokeDue(key));
      }
      const [first] = await backend.keys({ ...DUE_RANGE, limit: 1 });
      if (first !== undefined) nextMs = Math.min(nextMs, parseDueKey(first).dueMs);
    } catch (error) {
      this.#deps.log.warn('a round of lease revocation ended early; the next one goes on', { error });
      nextMs = this.#deps.clock.nowMs() + 1000;
    } finally {
      this.#underWay = false;
      this.#wakeAt(nextMs);
    }
  }

  async #revokeDue(key: string): Promise<void> {
    const { namespaceId, id } = parseDueKey(key);
    const lease = await this.get({ id: namespaceId, path: '' }, id);
    if (!lease) {
      await this.#deps.transactor.run((tx) => {
        tx.delete(key);
      });
      return;
    }
    try {
      await this.#revokeNow(lease, false);
    } catch (error) {
      await this.#postpone(lease, error);
    }
  }

  async #postpone(lease: LeaseEntry, error: unknown): Promise<void> {
    const attempts = (lease.revokeAttempts ?? 0) + 1;
    const irrevocable = attempts >= ATTEMPTS_MAX;
    assert(attempts > 0, 'attempts are counted');
    this.#deps.log.warn(irrevocable ? 'a lease is irrevocable' : 'a lease could not be revoked; it is tried again', {
      lease: lease.id,
      attempts,
      error,
    });
    const text =
      error instanceof RequestError
        ? (error.clientTexts[0] ?? error.code)
        : error instanceof Error
          ? error.name
          : 'unknown';
    await this.#deps.transactor.run((tx) => {
      this.#drop(tx, lease);
      const expiresMs = this.#deps.clock.nowMs() + RETRY_MS * 2 ** attempts;
      this.#put(tx, { ...lease, expiresMs, irrevocable, revokeAttempts: attempts, revokeError: text });
    });
  }
}

/** A token's own lease. */
export const tokenLeaseId = (path: string, saltedTokenId: string): string => `${path}/h${saltedTokenId}`;

async function inBatches<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  for (let at = 0; at < items.length; at += REVOKED_AT_ONCE)
    await Promise.all(items.slice(at, at + REVOKED_AT_ONCE).map(work));
}
