import type { Clock, Log, MaybePromise } from '@coffer/kernel';
import type { LeaseManager, Router, TokenEntry } from '@coffer/core-api';
import type { Reader, Transaction, Transactor } from '@coffer/storage';
import {
  PARENT_KEYS,
  REVOKING_KEYS,
  accessorKey,
  childKey,
  encode,
  parseRevocation,
  parseToken,
  revokingKey,
  tokenKey,
} from './records.ts';
import type { RevocationRecord } from './records.ts';

/** Something of a token that goes with it. May be called again for the same token. */
export type CleanUp = (tx: Transaction, saltedId: string) => MaybePromise<void>;

export interface RevocationDeps {
  readonly transactor: Transactor;
  readonly backend: Reader;
  readonly clock: Clock;
  readonly log: Log;
  readonly leases: () => Pick<LeaseManager, 'dropToken' | 'revokeByToken'>;
  readonly router: () => Router;
  readonly cleanUps?: readonly CleanUp[];
  readonly saltAccessor: (accessor: string) => string;
}

/** Children that one transaction deals with. */
const BATCH = 64;
const RETRY_MS = 5000;

/**
 * Revokes trees of tokens. First the token is marked and its revocation recorded, in one batch: from then on it is good
 * for nothing, makes no more children (their creation reads its entry), and any later active node finishes the work.
 * Children are marked and recorded in bounded batches in the same way before their parent's entry goes.
 */
export class Revocations {
  readonly #deps: RevocationDeps;
  /** Work under way on this node, by salted id: one at a time for each token. */
  readonly #working = new Map<string, Promise<void>>();
  #active = false;
  #cancelRetry: (() => void) | undefined;

  constructor(deps: RevocationDeps) {
    this.#deps = deps;
  }

  activate(): void {
    if (this.#active) return;
    this.#active = true;
    this.#inBackground(this.#resume());
  }

  deactivate(): void {
    this.#active = false;
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
  }

  /** A record appeared (or went): on the active node it is worked on. */
  recorded(saltedId: string): void {
    if (this.#active) this.#inBackground(this.#work(saltedId));
  }

  async revoke(saltedId: string, children: RevocationRecord['children']): Promise<void> {
    await this.#deps.transactor.run(async (tx) => {
      const entry = await tx.getParsed(tokenKey(saltedId), parseToken);
      if (!entry || (await tx.get(revokingKey(saltedId))) !== undefined) return;
      mark(tx, entry, children);
    });
    await this.#work(saltedId);
  }

  async #resume(): Promise<void> {
    for (let from = REVOKING_KEYS; this.#active;) {
      const keys = await this.#deps.backend.keys({ from, to: `${REVOKING_KEYS}~`, limit: BATCH });
      for (const key of keys) await this.#work(key.slice(REVOKING_KEYS.length));
      const last = keys.at(-1);
      if (last === undefined) return;
      from = `${last}\u0000`;
    }
  }

  /** Finishes what is recorded for a token; returns at once where nothing is. */
  #work(saltedId: string): Promise<void> {
    const under = this.#working.get(saltedId);
    if (under) return under;
    const work = this.#tree(saltedId).finally(() => this.#working.delete(saltedId));
    this.#working.set(saltedId, work);
    return work;
  }

  /** A list of its own instead of recursion: trees may be deep. */
  async #tree(root: string): Promise<void> {
    const waiting = [root];
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const bytes = await this.#deps.backend.get(revokingKey(next));
      if (bytes === undefined) continue;
      const { children } = parseRevocation(bytes);
      waiting.push(...(await this.#partFromChildren(next, children)));
      await this.#deps.leases().revokeByToken(next);
      await this.#emptyCubbyhole(next);
      await this.#remove(next);
    }
  }

  /** @returns the salted ids of the children that are now to be revoked */
  async #partFromChildren(parent: string, fate: RevocationRecord['children']): Promise<string[]> {
    const prefix = `${PARENT_KEYS}${parent}/`;
    const doomed: string[] = [];
    for (;;) {
      const parted = await this.#deps.transactor.run(async (tx) => {
        const keys = await tx.keys({ from: prefix, to: `${prefix}~`, limit: BATCH });
        for (const key of keys) {
          const child = await tx.getParsed(tokenKey(key.slice(prefix.length)), parseToken);
          tx.delete(key);
          if (!child) continue;
          if (fate === 'orphaned') tx.put(tokenKey(child.saltedId), encode({ ...child, parent: '' }));
          else if ((await tx.get(revokingKey(child.saltedId))) === undefined) mark(tx, child, 'revoked');
        }
        return keys.map((key) => key.slice(prefix.length));
      });
      if (parted.length === 0) return doomed;
      if (fate === 'revoked') doomed.push(...parted);
    }
  }

  async #emptyCubbyhole(saltedId: string): Promise<void> {
    const entry = await this.#deps.backend.get(tokenKey(saltedId));
    if (entry === undefined) return;
    const mount = this.#deps.router().mount(parseToken(entry).namespace, 'cubbyhole/');
    if (!mount) return;
    const prefix = `${mount.storagePrefix}${saltedId}/`;
    for (;;) {
      const found = await this.#deps.transactor.run(async (tx) => {
        const keys = await tx.keys({ from: prefix, to: `${prefix}\u{10ffff}`, limit: BATCH });
        for (const key of keys) tx.delete(key);
        return keys.length;
      });
      if (found === 0) return;
    }
  }

  async #remove(saltedId: string): Promise<void> {
    await this.#deps.transactor.run(async (tx) => {
      const entry = await tx.getParsed(tokenKey(saltedId), parseToken);
      tx.delete(revokingKey(saltedId));
      if (!entry) return;
      tx.delete(tokenKey(saltedId));
      tx.delete(accessorKey(this.#deps.saltAccessor(entry.accessor)));
      if (entry.parent !== '') tx.delete(childKey(entry.parent, saltedId));
      if (entry.expiresMs > 0) await this.#deps.leases().dropToken(tx, entry.namespace, entry.path, saltedId);
      for (const cleanUp of this.#deps.cleanUps ?? []) await cleanUp(tx, saltedId);
    });
  }

  /** What fails here is recorded in the store: it is taken up again, here or by the next active node. */
  #inBackground(work: Promise<void>): void {
    work.catch((error: unknown) => {
      if (!this.#active) return;
      this.#deps.log.warn('a revocation of tokens could not be finished and is tried again', { error });
      this.#cancelRetry ??= this.#deps.clock.after(RETRY_MS, () => {
        this.#cancelRetry = undefined;
        if (this.#active) this.#inBackground(this.#resume());
      });
    });
  }
}

function mark(tx: Transaction, entry: TokenEntry, children: RevocationRecord['children']): void {
  tx.put(tokenKey(entry.saltedId), encode({ ...entry, revoking: true }));
  tx.put(revokingKey(entry.saltedId), encode({ children }));
}
