import type { Permission } from './rule.ts';

/** A rule with `+` segments, split once. */
export interface SegmentRule {
  readonly permission: Permission;
  readonly parts: readonly string[];
  /** Ended with `*`: the last part is a prefix. */
  readonly isPrefix: boolean;
  readonly rank: Rank;
}

/** What decides between rules that both match; see `outranks`. */
export interface Rank {
  readonly firstWildcard: number;
  readonly isPrefix: boolean;
  readonly wildcards: number;
  readonly path: string;
}

/** Rank of a path as written, `*` included. */
export function rankOf(path: string): Rank {
  const isPrefix = path.endsWith('*');
  const bare = isPrefix ? path.slice(0, -1) : path;
  const plus = bare.search(/(^|\/)\+(?=\/|$)/);
  const at = plus === -1 ? bare.length : plus + (bare[plus] === '/' ? 1 : 0);
  const wildcards = bare.split('/').filter((part) => part === '+').length;
  return { firstWildcard: at, isPrefix, wildcards, path: bare };
}

/**
 * Vault's priority rules, of two rules P1 and P2 that match one path, P2 wins if: its first wildcard (`+`) or glob (`*`) is
 * later; or P1 ends with `*` and P2 does not; or it has fewer `+` segments; or it is longer; or it is greater in the
 * order of its text.
 */
export function outranks(challenger: Rank, holder: Rank): boolean {
  if (challenger.firstWildcard !== holder.firstWildcard) return challenger.firstWildcard > holder.firstWildcard;
  if (challenger.isPrefix !== holder.isPrefix) return holder.isPrefix;
  if (challenger.wildcards !== holder.wildcards) return challenger.wildcards < holder.wildcards;
  if (challenger.path.length !== holder.path.length) return challenger.path.length > holder.path.length;
  return challenger.path > holder.path;
}

export function hasSegmentWildcards(path: string): boolean {
  return (path.endsWith('*') ? path.slice(0, -1) : path).split('/').includes('+');
}

export function segmentRule(permission: Permission): SegmentRule {
  const rank = rankOf(permission.path);
  return { permission, parts: rank.path.split('/'), isPrefix: rank.isPrefix, rank };
}

export function matchesSegments(rule: SegmentRule, parts: readonly string[]): boolean {
  const { parts: wanted, isPrefix } = rule;
  if (isPrefix ? parts.length < wanted.length : parts.length !== wanted.length) return false;
  for (let at = 0; at < wanted.length; at++) {
    const want = wanted[at] as string;
    const part = parts[at] as string;
    if (want === '+') continue;
    if (isPrefix && at === wanted.length - 1 ? !part.startsWith(want) : part !== want) return false;
  }
  return true;
}
