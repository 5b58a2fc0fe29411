import type { MaybePromise } from '@coffer/kernel';
import type { MountEntry } from './mount-table.ts';

/**
 * Locks a user out after failed logins. The name is normalised first, so that all spellings of a user share one counter
 * (CVE-2025-6004). Counters live in the memory of the active node; locks are stored.
 */
export interface Lockout {
  /** Whether this user may not log in now, whatever the password. */
  isLocked(mount: MountEntry, aliasName: string): MaybePromise<boolean>;
  failed(mount: MountEntry, aliasName: string): MaybePromise<void>;
  succeeded(mount: MountEntry, aliasName: string): void;
}
