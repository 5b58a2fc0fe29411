import type { Clock, Log } from '@coffer/kernel';
import { StorageError } from '@coffer/storage';
import type { ParsingBackend, Transactor } from '@coffer/storage';
import { deleteLease, putLease } from './lease-writer.ts';
import { dueKey, idKey, parseLease } from './records.ts';
import type { LeaseName } from './records.ts';
import { revokeSecret } from './secret-calls.ts';
import type { SecretCallDeps } from './secret-calls.ts';

export interface LeaseRevokerDeps extends SecretCallDeps {
  readonly transactor: Transactor;
  readonly backend: ParsingBackend;
  readonly clock: Clock;
  readonly log: Log;
  /** What ends with the lease of a token (`TokenStore.revokeTree`). */
  readonly endToken: (saltedTokenId: string) => Promise<void>;
}

/** After so many failed attempts a lease is irrevocable: it waits for an operator. */
const ATTEMPTS_MAX = 6;
const FIRST_RETRY_MS = 10_000;
/** Of an engine's failure, what is kept with the lease. */
const ERROR_TEXT_MAX = 512;

/** Ends leases: calls the engine or the token store, and tries again later what failed. */
export class LeaseRevoker {
  readonly #deps: LeaseRevokerDeps;

  constructor(deps: LeaseRevokerDeps) {
    this.#deps = deps;
  }

  /** Deals with one lease whose time came. */
  async settle(name: LeaseName, dueMs: number): Promise<void> {
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

  /** At once. `force`: it is dropped though its secret may live on. @throws what the engine throws */
  async revokeNow(name: LeaseName, force: boolean): Promise<void> {
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
  makeDue(names: readonly LeaseName[]): Promise<void> {
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
}
