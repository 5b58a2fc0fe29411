import type { Acl, Capability, Decision } from '@coffer/core-api';
import type { Clock } from '@coffer/kernel';
import type { JsonObject, NamespaceRef, Operation } from '@coffer/sdk';
import { parameterFault } from './parameters.ts';
import { addRule } from './rule.ts';
import type { PathRule, Permission } from './rule.ts';
import { hasSegmentWildcards, matchesSegments, outranks, rankOf, segmentRule } from './segment-rule.ts';
import type { SegmentRule } from './segment-rule.ts';

/** A policy as it applies to one caller: templates are filled. */
export interface AppliedPolicy {
  readonly name: string;
  readonly namespaceId: string;
  /** Path of the policy's namespace: its rules' paths are below. */
  readonly namespacePath: string;
  readonly rules: readonly PathRule[];
}

const NEEDED: Readonly<Record<Exclude<Operation, 'help'>, Capability>> = {
  head: 'read',
  read: 'read',
  create: 'create',
  update: 'update',
  patch: 'patch',
  delete: 'delete',
  list: 'list',
  scan: 'scan',
};

/** Those whose parameters say what is done, or to what; those of a read are in its query. */
const JUDGED_BY_PARAMETERS: ReadonlySet<Operation> = new Set(['read', 'create', 'update', 'patch']);

/**
 * The rules of a caller, compiled: exact paths and prefixes are map look-ups, `+` rules a short list in the order of
 * their rank. First the exact rule; else, of the longest prefix and the highest `+` rule, the one that outranks the other.
 */
export class CompiledAcl implements Acl {
  readonly #exact = new Map<string, Permission>();
  /** By prefix without its `*`. */
  readonly #prefixes = new Map<string, Permission>();
  /** Lengths of prefixes that exist, the longest first. */
  #prefixLengths: readonly number[] = [];
  #segments: readonly SegmentRule[] = [];
  readonly #policies: readonly AppliedPolicy[];
  readonly #clock: Clock;
  readonly #namespaces: ReadonlyMap<string, string>;
  /** When the first of the rules ends, in milliseconds since 1970: from then on others decide. */
  #validUntilMs = Number.POSITIVE_INFINITY;

  constructor(policies: readonly AppliedPolicy[], clock: Clock) {
    this.#policies = policies;
    this.#clock = clock;
    this.#namespaces = new Map(policies.map((policy) => [policy.name, policy.namespaceId]));
    this.#compile();
  }

  /** Anew from the rules that have not ended: an ended rule neither grants, denies nor hides another. */
  #compile(): void {
    const nowMs = this.#clock.nowMs();
    this.#exact.clear();
    this.#prefixes.clear();
    this.#validUntilMs = Number.POSITIVE_INFINITY;
    const segments = new Map<string, Permission>();
    for (const policy of this.#policies) {
      for (const rule of policy.rules) {
        if (rule.expiresMs !== undefined) {
          if (rule.expiresMs <= nowMs) continue;
          this.#validUntilMs = Math.min(this.#validUntilMs, rule.expiresMs);
        }
        const path = policy.namespacePath + rule.path;
        const scoped = { ...rule, path };
        if (hasSegmentWildcards(path)) segments.set(path, addRule(segments.get(path), scoped, policy.name));
        else if (path.endsWith('*')) {
          const prefix = path.slice(0, -1);
          this.#prefixes.set(prefix, addRule(this.#prefixes.get(prefix), scoped, policy.name));
        } else this.#exact.set(path, addRule(this.#exact.get(path), scoped, policy.name));
      }
    }
    this.#prefixLengths = [...new Set([...this.#prefixes.keys()].map((prefix) => prefix.length))].sort((a, b) => b - a);
    this.#segments = [...segments.values()].map(segmentRule).sort((a, b) => (outranks(a.rank, b.rank) ? -1 : 1));
  }

  #refresh(): void {
    if (this.#validUntilMs <= this.#clock.nowMs()) this.#compile();
  }

  decide(
    namespace: NamespaceRef,
    path: string,
    operation: Operation,
    data: JsonObject,
    wrapTtlSeconds: number | undefined,
  ): Decision {
    if (operation === 'help')
      return { allowed: true, sudo: false, root: false, grantingPolicies: [], reason: 'help is open to all' };
    const full = namespace.path + path;
    const isList = operation === 'list' || operation === 'scan';
    const permission = this.#find(full, isList);
    if (!permission) return refusal('no rule matches the path');
    const bare = isList ? undefined : this.#findBare(full);
    const sudo = permission.capabilities.has('sudo') && (bare === undefined || bare.capabilities.has('sudo'));
    const granting = permission.policies.map((name) => ({ name, namespaceId: this.#namespaces.get(name) ?? 'root' }));
    const fault =
      this.#fault(permission, operation, data, wrapTtlSeconds) ??
      (bare && this.#fault(bare, operation, data, wrapTtlSeconds));
    return {
      allowed: fault === undefined,
      sudo,
      root: false,
      grantingPolicies: fault === undefined ? granting : [],
      reason: fault ?? `granted by the rule for "${permission.path}"`,
      ...(permission.minWrappingTtlSeconds === undefined
        ? {}
        : { minWrappingTtlSeconds: permission.minWrappingTtlSeconds }),
      ...(permission.maxWrappingTtlSeconds === undefined
        ? {}
        : { maxWrappingTtlSeconds: permission.maxWrappingTtlSeconds }),
    };
  }

  #fault(
    permission: Permission,
    operation: Exclude<Operation, 'help'>,
    data: JsonObject,
    wrapTtl: number | undefined,
  ): string | undefined {
    if (permission.denied) return `the rule for "${permission.path}" denies`;
    const needed = NEEDED[operation];
    if (!permission.capabilities.has(needed)) return `the rule for "${permission.path}" does not grant ${needed}`;
    const { minWrappingTtlSeconds: min, maxWrappingTtlSeconds: max } = permission;
    if (max !== undefined && max > 0 && (wrapTtl === undefined || wrapTtl > max))
      return `the rule for "${permission.path}" wants the answer wrapped for at most ${String(max)} s`;
    if (min !== undefined && min > 0 && (wrapTtl === undefined || wrapTtl < min))
      return `the rule for "${permission.path}" wants the answer wrapped for at least ${String(min)} s`;
    return JUDGED_BY_PARAMETERS.has(operation) ? parameterFault(permission, data) : undefined;
  }

  capabilities(namespace: NamespaceRef, path: string): readonly Capability[] {
    const full = namespace.path + (path.startsWith('/') ? path.slice(1) : path);
    const permission = this.#find(full, true);
    if (!permission || permission.denied || permission.capabilities.size === 0) return ['deny'];
    return [...permission.capabilities].sort();
  }

  touches(namespace: NamespaceRef, prefix: string): boolean {
    this.#refresh();
    const full = namespace.path + prefix;
    const grants = (permission: Permission): boolean => !permission.denied && permission.capabilities.size > 0;
    for (const [path, permission] of this.#exact)
      if (grants(permission) && (path.startsWith(full) || `${path}/` === full)) return true;
    for (const [path, permission] of this.#prefixes)
      if (grants(permission) && (path.startsWith(full) || full.startsWith(path))) return true;
    return this.#segments.some((rule) => grants(rule.permission) && mayLieBelow(rule, full));
  }

  describe(): {
    readonly root: boolean;
    readonly exactPaths: Readonly<Record<string, unknown>>;
    readonly globPaths: Readonly<Record<string, unknown>>;
  } {
    this.#refresh();
    const shown = (permissions: Iterable<readonly [string, Permission]>): Record<string, unknown> =>
      Object.fromEntries([...permissions].map(([path, permission]) => [path, described(permission)]));
    const globs = [
      ...this.#prefixes,
      ...this.#segments.map((rule) => [rule.permission.path, rule.permission] as const),
    ];
    return { root: false, exactPaths: shown(this.#exact), globPaths: shown(globs) };
  }

  /**
   * A list of a folder is judged with and without its trailing slash: exact rules of either spelling come first, then
   * patterns, of which a deny of either spelling is a deny (CVE-2026-63131).
   */
  #find(path: string, isList: boolean): Permission | undefined {
    if (this.#validUntilMs !== Number.POSITIVE_INFINITY) this.#refresh();
    const exact = this.#exact.get(path);
    const trimmed = isList && path.endsWith('/') ? path.slice(0, -1) : undefined;
    if (trimmed === undefined) return exact ?? this.#findPattern(path);
    const exactTrimmed = this.#exact.get(trimmed);
    const named = exact ?? exactTrimmed;
    if (named) return named;
    const found = this.#findPattern(path);
    if (found?.denied) return found;
    const other = this.#findPattern(trimmed);
    return !found || other?.denied ? other : found;
  }

  /**
   * Paths are taken with and without a slash at their end for the same place. So what a slash is put behind must be granted
   * by the rule for the path without it, too, where there is one.
   */
  #findBare(path: string): Permission | undefined {
    if (!path.endsWith('/')) return undefined;
    const bare = path.slice(0, -1);
    return this.#exact.get(bare) ?? this.#findPattern(bare);
  }

  #findPattern(path: string): Permission | undefined {
    let prefix: Permission | undefined;
    for (const length of this.#prefixLengths) {
      if (length > path.length) continue;
      prefix = this.#prefixes.get(path.slice(0, length));
      if (prefix) break;
    }
    if (this.#segments.length === 0) return prefix;
    const parts = path.split('/');
    const segment = this.#segments.find((rule) => matchesSegments(rule, parts));
    if (!segment || !prefix) return segment?.permission ?? prefix;
    return outranks(rankOf(prefix.path), segment.rank) ? prefix : segment.permission;
  }
}

/** As `sys/internal/ui/resultant-acl` shows it. TTLs in seconds. */
function described(permission: Permission): Record<string, unknown> {
  const { capabilities, requiredParameters, minWrappingTtlSeconds: min, maxWrappingTtlSeconds: max } = permission;
  const table = (name: string, parameters: ReadonlyMap<string, readonly unknown[]> | undefined): object =>
    parameters && parameters.size > 0 ? { [name]: Object.fromEntries(parameters) } : {};
  return {
    capabilities: capabilities.size === 0 ? ['deny'] : [...capabilities].sort(),
    ...table('allowed_parameters', permission.allowedParameters),
    ...table('denied_parameters', permission.deniedParameters),
    ...(requiredParameters && requiredParameters.length > 0 ? { required_parameters: requiredParameters } : {}),
    ...(min ? { min_wrapping_ttl: min } : {}),
    ...(max ? { max_wrapping_ttl: max } : {}),
  };
}

/** Whether a `+` rule could match something below a prefix. */
function mayLieBelow(rule: SegmentRule, prefix: string): boolean {
  const wanted = prefix.replace(/\/$/, '').split('/');
  return wanted.every((part, at) => {
    const own = rule.parts[at];
    if (own === undefined) return rule.isPrefix;
    if (own === '+' || own === part) return true;
    return rule.isPrefix && at === rule.parts.length - 1 && part.startsWith(own);
  });
}

function refusal(reason: string): Decision {
  return { allowed: false, sudo: false, root: false, grantingPolicies: [], reason };
}

/** What the root policy grants: everything. */
export const ROOT_ACL: Acl = {
  decide: () => ROOT_DECISION,
  capabilities: () => ['root'],
  touches: () => true,
  describe: () => ({ root: true, exactPaths: {}, globPaths: {} }),
};

/** What a token may do whose entity is disabled or gone: nothing, whatever its policies grant. */
export const BARRED_ACL: Acl = {
  decide: () => refusal('the entity of the token is disabled or gone'),
  capabilities: () => ['deny'],
  touches: () => false,
  describe: () => ({ root: false, exactPaths: {}, globPaths: {} }),
};

const ROOT_DECISION: Decision = Object.freeze({
  allowed: true,
  sudo: true,
  root: true,
  grantingPolicies: [{ name: 'root', namespaceId: 'root' }],
  reason: 'the root policy grants everything',
});
