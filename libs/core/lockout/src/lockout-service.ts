import { createHash } from 'node:crypto';
import { BoundedCache } from '@coffer/kernel';
import type { Clock } from '@coffer/kernel';
import { LOCKOUT_TYPES } from '@coffer/core-api';
import type { Lockout, MountEntry } from '@coffer/core-api';
import type { ParsingBackend, Transaction, Transactor } from '@coffer/storage';

/** Locks, by mount accessor and user: so many milliseconds since 1970 until it ends. */
const LOCKS = 'core/login-locks/';

/** Longer names are kept as their beginning and a hash. */
const NAME_LENGTH_MAX = 256;
const SHOWN_LENGTH = 64;

const LOCKS_END = `${LOCKS}\u{10ffff}`;
/** Locks that are looked at when one is made; more than one, so that those that have ended become fewer. */
const SWEPT = 8;

/** Vault's defaults. */
const THRESHOLD = 5;
const DURATION_SECONDS = 15 * 60;
const COUNTER_RESET_SECONDS = 15 * 60;

/** Users whose failures are remembered; whoever floods us with names pushes out the oldest only. */
const COUNTED_USERS_MAX = 100_000;

interface Counter {
  readonly failures: number;
  readonly lastMs: number;
}

export interface LockoutServiceDeps {
  readonly backend: ParsingBackend;
  readonly transactor: Transactor;
  readonly clock: Clock;
}

const decoder = new TextDecoder();
const parseUntil = (bytes: Uint8Array): number => Number(decoder.decode(bytes));

/** Every spelling of a name is one user: case, surrounding space and compatibility forms do not tell them apart. */
export function normaliseAlias(name: string): string {
  const plain = name.normalize('NFKC').trim().toLowerCase();
  if (plain.length <= NAME_LENGTH_MAX) return plain;
  // Strangers choose the names that are counted: they must not choose how much is kept of each.
  return `${plain.slice(0, SHOWN_LENGTH)}…${createHash('sha256').update(plain).digest('hex')}`;
}

const lockKey = (accessor: string, user: string): string => `${LOCKS}${accessor}/${encodeURIComponent(user)}`;

/** See `Lockout`. */
export class LockoutService implements Lockout {
  readonly #deps: LockoutServiceDeps;
  /** Where the next look for locks that have ended begins. */
  #sweepFrom = LOCKS;
  readonly #counters = new BoundedCache<string, Counter>(COUNTED_USERS_MAX);

  constructor(deps: LockoutServiceDeps) {
    this.#deps = deps;
  }

  isLocked(mount: MountEntry, aliasName: string): Promise<boolean> {
    return this.#isLocked(this.#deps.backend, mount, aliasName);
  }

  isLockedIn(tx: Transaction, mount: MountEntry, aliasName: string): Promise<boolean> {
    return this.#isLocked(tx, mount, aliasName);
  }

  async #isLocked(reader: Pick<Transaction, 'getParsed'>, mount: MountEntry, aliasName: string): Promise<boolean> {
    if (!settingsOf(mount)) return false;
    const until = await reader.getParsed(lockKey(mount.accessor, normaliseAlias(aliasName)), parseUntil);
    return until !== undefined && until > this.#deps.clock.nowMs();
  }

  async failed(mount: MountEntry, aliasName: string): Promise<void> {
    const settings = settingsOf(mount);
    if (!settings) return;
    const user = normaliseAlias(aliasName);
    const key = lockKey(mount.accessor, user);
    const nowMs = this.#deps.clock.nowMs();
    const before = this.#counters.get(key);
    const isRecent = before !== undefined && nowMs - before.lastMs < settings.counterResetSeconds * 1000;
    const failures = (isRecent ? before.failures : 0) + 1;
    this.#counters.set(key, { failures, lastMs: nowMs });
    if (failures < settings.threshold) return;
    this.#counters.delete(key);
    const until = new TextEncoder().encode(String(nowMs + settings.durationSeconds * 1000));
    await this.#deps.transactor.run((tx) => {
      tx.put(key, until);
    });
    await this.#sweep();
  }

  /**
   * Removes some locks that have ended. Anybody can make locks, for names that nobody has, too: each that is made takes
   * some away, so that there are never many more than can be made while one lasts.
   */
  async #sweep(): Promise<void> {
    const { backend, transactor, clock } = this.#deps;
    const keys = await backend.keys({ from: this.#sweepFrom, to: LOCKS_END, limit: SWEPT });
    const last = keys.at(-1);
    this.#sweepFrom = last === undefined || keys.length < SWEPT ? LOCKS : `${last}\u0000`;
    await transactor.run(async (tx) => {
      for (const key of keys) {
        const until = await tx.getParsed(key, parseUntil);
        if (until !== undefined && until <= clock.nowMs()) tx.delete(key);
      }
    });
  }

  succeeded(mount: MountEntry, aliasName: string): void {
    this.#counters.delete(lockKey(mount.accessor, normaliseAlias(aliasName)));
  }

  /** Users that are locked now, by mount accessor. */
  async locked(accessor?: string): Promise<ReadonlyMap<string, readonly string[]>> {
    const from = accessor === undefined ? LOCKS : `${LOCKS}${accessor}/`;
    const found = new Map<string, string[]>();
    for (const key of await this.#deps.backend.keys({ from, to: `${from}\u{10ffff}` })) {
      const until = await this.#deps.backend.getParsed(key, parseUntil);
      if (until === undefined || until <= this.#deps.clock.nowMs()) continue;
      const [owner = '', user = ''] = key.slice(LOCKS.length).split('/', 2);
      found.set(owner, [...(found.get(owner) ?? []), decodeURIComponent(user)]);
    }
    return found;
  }

  async unlock(accessor: string, aliasName: string): Promise<void> {
    const key = lockKey(accessor, normaliseAlias(aliasName));
    this.#counters.delete(key);
    await this.#deps.transactor.run((tx) => {
      tx.delete(key);
    });
  }
}

/** Undefined where nobody is locked out. */
function settingsOf(
  mount: MountEntry,
): { readonly threshold: number; readonly durationSeconds: number; readonly counterResetSeconds: number } | undefined {
  if (!LOCKOUT_TYPES.has(mount.type)) return undefined;
  const tuned = mount.tuning.userLockout;
  if (tuned?.disabled) return undefined;
  return {
    threshold: tuned?.threshold || THRESHOLD,
    durationSeconds: tuned?.durationSeconds || DURATION_SECONDS,
    counterResetSeconds: tuned?.counterResetSeconds || COUNTER_RESET_SECONDS,
  };
}
