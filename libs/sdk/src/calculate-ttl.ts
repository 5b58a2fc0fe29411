import { formatDuration } from '@coffer/kernel';

export interface TtlRequest {
  /** Asked for by the caller, in seconds; 0 or less: nothing in particular. */
  readonly incrementSeconds: number;
  /** What the role or engine gives, in seconds; 0: the default. */
  readonly ttlSeconds: number;
  readonly maxTtlSeconds: number;
  readonly explicitMaxTtlSeconds: number;
  readonly periodSeconds: number;
  /** The mount's or the system's limits, in seconds. */
  readonly system: { readonly defaultSeconds: number; readonly maxSeconds: number };
  /** When the lease was issued and now, in milliseconds since 1970. */
  readonly issuedMs: number;
  readonly nowMs: number;
}

/**
 * How long a lease or token lives from now on, by Vault's rules: a period beats all but the explicit maximum; otherwise what
 * was asked for, what the role gives or the default, cut to what is left until the maximum.
 *
 * @returns seconds, 0 where the maximum has passed, and warnings about what was cut
 */
export function calculateTtl(request: TtlRequest): {
  readonly ttlSeconds: number;
  readonly warnings: readonly string[];
} {
  const { periodSeconds, explicitMaxTtlSeconds, system } = request;
  const warnings: string[] = [];
  const max = [system.maxSeconds, request.maxTtlSeconds, explicitMaxTtlSeconds]
    .filter((seconds) => seconds > 0)
    .reduce((a, b) => Math.min(a, b));
  const age = Math.max(0, Math.floor((request.nowMs - request.issuedMs) / 1000));
  let ttl: number;
  let left = Number.POSITIVE_INFINITY;
  if (periodSeconds > 0) {
    ttl = Math.min(periodSeconds, system.maxSeconds);
    if (periodSeconds > system.maxSeconds) {
      warnings.push(
        `period of "${formatDuration(periodSeconds)}" exceeded the effective max_ttl of "${formatDuration(system.maxSeconds)}"; period value is capped accordingly`,
      );
    }
    if (explicitMaxTtlSeconds > 0) left = explicitMaxTtlSeconds - age;
  } else {
    ttl =
      request.incrementSeconds > 0
        ? request.incrementSeconds
        : request.ttlSeconds > 0
          ? request.ttlSeconds
          : system.defaultSeconds;
    left = max - age;
  }
  if (left <= 0) return { ttlSeconds: 0, warnings };
  if (ttl > left) {
    warnings.push(
      `TTL of "${formatDuration(ttl)}" exceeded the effective max_ttl of "${formatDuration(left)}"; TTL value is capped accordingly`,
    );
    ttl = left;
  }
  return { ttlSeconds: ttl, warnings };
}
