import { withoutSlashes } from '@coffer/kernel';
import { badRequest } from '@coffer/sdk';
import type { MountEntry, MountTuning, TuningChange } from '@coffer/core-api';

/** First segments of paths that belong to the core. */
const PROTECTED: Readonly<Record<'secret' | 'auth', readonly string[]>> = {
  secret: ['audit/', 'auth/', 'sys/', 'cubbyhole/', 'identity/'],
  auth: ['token/'],
};

/** A mount path as stored: no leading slash, one trailing slash. @throws RequestError for one that is not to be used */
export function cleanMountPath(path: string): string {
  const plain = withoutSlashes(path);
  if (plain === '') throw badRequest('path must be specified and not empty');
  const segments = plain.split('/');
  if (segments.some((segment) => segment === '' || segment === '.' || segment === '..')) {
    throw badRequest('path cannot contain empty segments, "." or ".."');
  }
  if (/[\p{Cc}\p{Cf}\p{Cs}*+]/u.test(plain) || plain !== plain.trim()) {
    throw badRequest("path cannot contain control characters, '*', '+' or surrounding white space");
  }
  return `${plain}/`;
}

/** @throws RequestError where a path belongs to the core */
export function refuseProtected(table: 'secret' | 'auth', path: string, verb: string): void {
  if (PROTECTED[table].some((first) => path.startsWith(first))) throw badRequest(`cannot ${verb} "${path}"`);
}

/** @throws RequestError where a path lies within, above or at another mount */
export function refuseOverlap(entries: readonly MountEntry[], path: string): void {
  const taken = entries.find((entry) => entry.path.startsWith(path) || path.startsWith(entry.path));
  if (taken) throw badRequest(`path is already in use at ${taken.path}`);
}

/** Types of which each cluster has one, where the core put it. @throws RequestError */
export function refuseSingleton(table: 'secret' | 'auth', type: string): never {
  throw badRequest(
    table === 'auth' ? `${type} credential backend cannot be instantiated` : `mount type of "${type}" is not mountable`,
  );
}

/** Settings over those that were there. */
export function changedTuning(before: MountTuning, change: TuningChange): MountTuning {
  const { userLockout, ...rest } = change;
  if (!userLockout) return { ...before, ...rest };
  const lockout = before.userLockout ?? { disabled: false, threshold: 0, durationSeconds: 0, counterResetSeconds: 0 };
  return { ...before, ...rest, userLockout: { ...lockout, ...userLockout } };
}

/** Options over those that were there; an empty one goes. */
export function changedOptions(
  before: Readonly<Record<string, string>>,
  change: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries({ ...before, ...change }).filter(([name, value]) => value !== '' || name === 'version'),
  );
}

/**
 * @param systemMaxSeconds the limit for mounts that have none of their own
 * @throws RequestError for TTLs that contradict each other
 */
export function checkTuning(tuning: MountTuning, systemMaxSeconds: number, fresh: boolean): void {
  const { defaultLeaseTtlSeconds: initial, maxLeaseTtlSeconds: max } = tuning;
  if (max > 0 && initial > max) {
    throw badRequest(
      fresh
        ? 'given default lease TTL greater than given max lease TTL'
        : `backend max lease TTL of ${String(max)} would be less than backend default lease TTL of ${String(initial)}`,
    );
  }
  if (max === 0 && initial > systemMaxSeconds) {
    throw badRequest(`given default lease TTL greater than system max lease TTL of ${String(systemMaxSeconds)}`);
  }
  const visibility = tuning.listingVisibility ?? '';
  if (!['', 'unauth', 'hidden'].includes(visibility)) throw badRequest(`invalid listing_visibility ${visibility}`);
}
