import type { Capability } from '@coffer/core-api';

/** What a policy says of one path. Parameter names are in lower case; an empty list of values stands for all. */
export interface PathRule {
  /** Without a leading slash; a trailing `*` and `+` segments as written. */
  readonly path: string;
  readonly capabilities: ReadonlySet<Capability>;
  readonly allowedParameters?: ReadonlyMap<string, readonly unknown[]>;
  readonly deniedParameters?: ReadonlyMap<string, readonly unknown[]>;
  readonly requiredParameters?: readonly string[];
  readonly minWrappingTtlSeconds?: number;
  readonly maxWrappingTtlSeconds?: number;
  /** Milliseconds since 1970; from then on the rule says nothing. */
  readonly expiresMs?: number;
}

/** Rules for one path, of all policies of a caller added up. */
export interface Permission extends Omit<PathRule, 'expiresMs'> {
  readonly denied: boolean;
  readonly policies: readonly string[];
}

/** The first permission of a path, or what two say together: deny beats all, capabilities and parameters add up. */
export function addRule(before: Permission | undefined, rule: PathRule, policy: string): Permission {
  const denied = rule.capabilities.has('deny');
  if (!before) {
    // Rules that end are left out when they do; what they add up to has no end of its own.
    const { expiresMs, ...lasting } = rule;
    void expiresMs;
    return { ...lasting, denied, policies: [policy] };
  }
  const policies = [...before.policies, policy];
  if (before.denied || denied)
    return { path: rule.path, capabilities: new Set<Capability>(['deny']), denied: true, policies };
  const min = smaller(before.minWrappingTtlSeconds, rule.minWrappingTtlSeconds);
  const max = larger(before.maxWrappingTtlSeconds, rule.maxWrappingTtlSeconds);
  const allowed = merge(before.allowedParameters, rule.allowedParameters);
  const deniedParameters = merge(before.deniedParameters, rule.deniedParameters);
  const required = [...new Set([...(before.requiredParameters ?? []), ...(rule.requiredParameters ?? [])])];
  return {
    path: rule.path,
    capabilities: new Set([...before.capabilities, ...rule.capabilities]),
    denied: false,
    policies,
    ...(min === undefined ? {} : { minWrappingTtlSeconds: min }),
    ...(max === undefined ? {} : { maxWrappingTtlSeconds: max }),
    ...(allowed ? { allowedParameters: allowed } : {}),
    ...(deniedParameters ? { deniedParameters } : {}),
    ...(required.length > 0 ? { requiredParameters: required } : {}),
  };
}

/** Vault keeps the smaller of two minima and the larger of two maxima: the limits of either policy suffice. */
const smaller = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined ? b : b === undefined ? a : Math.min(a, b);
const larger = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined ? b : b === undefined ? a : Math.max(a, b);

type Parameters = ReadonlyMap<string, readonly unknown[]>;

/** Values add up; "all values" of either wins. A policy without the map does not lift the other's. */
function merge(a: Parameters | undefined, b: Parameters | undefined): Parameters | undefined {
  if (!a || !b) return a ?? b;
  const merged = new Map<string, readonly unknown[]>(a);
  for (const [name, values] of b) {
    const before = merged.get(name);
    merged.set(
      name,
      before === undefined ? values : before.length === 0 || values.length === 0 ? [] : [...before, ...values],
    );
  }
  return merged;
}
