import { formatDuration } from '@coffer/kernel';

/** What decides how long a lease lives; seconds, 0 for "not set". */
export interface TtlRequest {
  /** Of the mount, or the system where it has none. */
  readonly defaultTtlSeconds: number;
  readonly maxTtlSeconds: number;
  /** What a renewal asks for. */
  readonly incrementSeconds?: number;
  /** What engine, role or caller asked for. */
  readonly wantedTtlSeconds?: number;
  readonly wantedMaxTtlSeconds?: number;
  readonly periodSeconds?: number;
  readonly explicitMaxTtlSeconds?: number;
  /** When it was issued, and now, in milliseconds. */
  readonly issuedMs: number;
  readonly nowMs: number;
}

export interface TtlDecision {
  /** Undefined: the lease is past its maximum and cannot be renewed. */
  readonly ttlSeconds: number | undefined;
  readonly warnings: readonly string[];
}

/**
 * The rules of Vault for the TTL of a lease: the smallest of the mount's, the role's and the explicit maximum bounds it
 * from its issue; a period, itself bounded by these, replaces all but the explicit maximum.
 */
export function decideTtl(request: TtlRequest): TtlDecision {
  const now = Math.floor(request.nowMs / 1000);
  const issued = Math.floor(request.issuedMs / 1000);
  const explicit = request.explicitMaxTtlSeconds ?? 0;
  const max = Math.min(
    ...[request.maxTtlSeconds, request.wantedMaxTtlSeconds ?? 0, explicit].filter((bound) => bound > 0),
  );
  const warnings: string[] = [];
  let ttl: number;
  let end: number;
  const period = request.periodSeconds ?? 0;
  if (period > 0) {
    ttl = Math.min(period, max);
    if (period > max) {
      warnings.push(
        `period of ${quoted(period)} exceeded the effective max_ttl of ${quoted(max)}; period value is capped accordingly`,
      );
    }
    end = explicit > 0 ? issued + explicit : Number.POSITIVE_INFINITY;
  } else {
    ttl = firstSet(request.incrementSeconds, request.wantedTtlSeconds) ?? request.defaultTtlSeconds;
    end = issued + max;
  }
  const left = end - now;
  if (left <= 0) return { ttlSeconds: undefined, warnings };
  if (ttl > left) {
    warnings.push(
      `TTL of ${quoted(ttl)} exceeded the effective max_ttl of ${quoted(left)}; TTL value is capped accordingly`,
    );
    ttl = left;
  }
  return { ttlSeconds: ttl, warnings };
}

function firstSet(...seconds: readonly (number | undefined)[]): number | undefined {
  return seconds.find((value) => value !== undefined && value > 0);
}

/** As Vault prints durations in warnings: `"1h30m"`, `"5m"`. */
function quoted(seconds: number): string {
  const text = formatDuration(seconds).replace(/m0s$/, 'm').replace('h0m', 'h');
  return `"${text}"`;
}
