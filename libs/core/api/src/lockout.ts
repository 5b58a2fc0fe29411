import type { MaybePromise } from '@coffer/kernel';
import type { Transaction } from '@coffer/storage';
import type { MountEntry } from './mount-table.ts';

/** Auth methods whose users are locked out; the others take no passwords that could be guessed. */
export const LOCKOUT_TYPES: ReadonlySet<string> = new Set(['userpass', 'approle', 'ldap']);

/**
 * Locks a user out after failed logins. The name is normalised first, so that all spellings of a user share one counter
 * (CVE-2025-6004). Counters live in the memory of the active node; locks are stored.
 */
export interface Lockout {
  /** Whether this user may not log in now, whatever the password. */
  isLocked(mount: MountEntry, aliasName: string): MaybePromise<boolean>;
  /**
   * The same as the transaction of a login sees it: of many guesses at once, what comes after the lock counts for nothing
   * even where it is right.
   */
  isLockedIn(tx: Transaction, mount: MountEntry, aliasName: string): MaybePromise<boolean>;
  failed(mount: MountEntry, aliasName: string): MaybePromise<void>;
  succeeded(mount: MountEntry, aliasName: string): void;
}
