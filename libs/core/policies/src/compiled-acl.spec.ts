import type { Capability } from '@coffer/core-api';
import { ROOT_NAMESPACE } from '@coffer/sdk';
import type { JsonObject, Operation } from '@coffer/sdk';
import { CompiledAcl, ROOT_ACL } from './compiled-acl.ts';
import type { AppliedPolicy } from './compiled-acl.ts';
import { parsePolicy } from './parse-policy.ts';
import type { PathRule } from './rule.ts';

const START_MS = 1_700_000_000_000;

function clockAt(nowMs = START_MS) {
  return {
    at: nowMs,
    nowMs: () => 0,
    monotonicMs: () => 0,
    after: () => () => undefined,
    every: () => () => undefined,
  };
}

function movable() {
  const clock = clockAt();
  clock.nowMs = () => clock.at;
  return clock;
}

const applied = (name: string, text: string): AppliedPolicy => ({
  name,
  namespaceId: 'root',
  namespacePath: '',
  rules: parsePolicy(name, text).rules,
});

const aclOf = (...texts: string[]): CompiledAcl =>
  new CompiledAcl(
    texts.map((text, index) => applied(`p${String(index)}`, text)),
    movable(),
  );

const may = (acl: CompiledAcl, operation: Operation, path: string, data = {}, wrap?: number): boolean =>
  acl.decide(ROOT_NAMESPACE, path, operation, data, wrap).allowed;

/** A generator of numbers that repeats itself for a seed (mulberry32). */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/*
 * The reference: rules as the documentation states them, tried one by one on regular expressions. It shares nothing with
 * the compiled form.
 */
interface Plain {
  readonly path: string;
  readonly capabilities: readonly Capability[];
}

function isPattern(path: string): boolean {
  return path.endsWith('*') || path.split('/').includes('+');
}

function matches(pattern: string, path: string): boolean {
  const body = (pattern.endsWith('*') ? pattern.slice(0, -1) : pattern)
    .split('/')
    .map((part) => (part === '+' ? '[^/]*' : part.replaceAll(/[.+*?^${}()|[\]\\]/g, String.raw`\$&`)))
    .join('/');
  return new RegExp(`^${body}${pattern.endsWith('*') ? '.*' : ''}$`, 's').test(path);
}

/** "P1 is lower priority if …", in the order of the documentation. */
function isLower(p1: string, p2: string): boolean {
  const first = (path: string): number => {
    const found = [path.search(/(?<=^|\/)\+(?=\/|\*?$)/), path.endsWith('*') ? path.length - 1 : -1].filter(
      (at) => at >= 0,
    );
    return found.length === 0 ? path.length : Math.min(...found);
  };
  const wildcards = (path: string): number =>
    path
      .replace(/\*$/, '')
      .split('/')
      .filter((part) => part === '+').length;
  if (first(p1) !== first(p2)) return first(p1) < first(p2);
  if (p1.endsWith('*') !== p2.endsWith('*')) return p1.endsWith('*');
  if (wildcards(p1) !== wildcards(p2)) return wildcards(p1) > wildcards(p2);
  if (p1.length !== p2.length) return p1.length < p2.length;
  return p1 < p2;
}

function bestPattern(rules: readonly Plain[], path: string): string | undefined {
  let best: string | undefined;
  for (const rule of rules)
    if (isPattern(rule.path) && matches(rule.path, path) && (best === undefined || isLower(best, rule.path)))
      best = rule.path;
  return best;
}

function grantedAt(rules: readonly Plain[], path: string | undefined): ReadonlySet<Capability> {
  const all = new Set(rules.filter((rule) => rule.path === path).flatMap((rule) => rule.capabilities));
  return all.has('deny') ? new Set<Capability>(['deny']) : all;
}

function expected(rules: readonly Plain[], operation: Operation, path: string): boolean {
  const needs = operation as Capability;
  const exact = (candidate: string): string | undefined =>
    rules.find((rule) => !isPattern(rule.path) && rule.path === candidate)?.path;
  const grants = (candidate: string | undefined): boolean => grantedAt(rules, candidate).has(needs);
  const asIs = exact(path) ?? bestPattern(rules, path);
  if (!path.endsWith('/')) return grants(asIs);
  const bare = path.slice(0, -1);
  if (operation !== 'list' && operation !== 'scan') {
    const other = exact(bare) ?? bestPattern(rules, bare);
    return grants(asIs) && (other === undefined || grants(other));
  }
  const named = exact(path) ?? exact(bare);
  if (named !== undefined) return grantedAt(rules, named).has(needs);
  const [whole, trimmed] = [grantedAt(rules, bestPattern(rules, path)), grantedAt(rules, bestPattern(rules, bare))];
  if (whole.has('deny') || trimmed.has('deny')) return false;
  return (bestPattern(rules, path) === undefined ? trimmed : whole).has(needs);
}

const PARTS = ['a', 'b', 'ab', 'c', '+', '+', 'a.b', ''];
const ENDS = ['', '', '*', 'a*', '/', '/*'];
const SETS: readonly (readonly Capability[])[] = [
  ['deny'],
  ['read'],
  ['list'],
  ['read', 'list'],
  ['create', 'update'],
  ['delete', 'patch', 'scan', 'sudo'],
  [],
];
const OPERATIONS: readonly Operation[] = ['read', 'create', 'update', 'patch', 'delete', 'list', 'scan'];

describe('CompiledAcl', () => {
  it('decides as the documented priority rules do, for random policies, paths and operations', () => {
    const below = numbers(20_261_124);
    const pick = <T>(from: readonly T[]): T => from[below(from.length)] as T;
    const path = (parts: readonly string[], ends: readonly string[]): string =>
      Array.from({ length: 1 + below(4) }, () => pick(parts)).join('/') + pick(ends);
    let judged = 0;
    let granted = 0;
    const wrong: unknown[] = [];
    for (let world = 0; world < 4000; world++) {
      const policies = Array.from({ length: 1 + below(3) }, () =>
        Array.from({ length: 1 + below(5) }, (): Plain => ({
          path: path(PARTS, ENDS),
          capabilities: pick(SETS),
        })).filter((rule) => !rule.path.includes('+*') && !rule.path.includes('+a*')),
      );
      const rules = policies.flat();
      const acl = new CompiledAcl(
        policies.map((own, index): AppliedPolicy => ({
          name: `p${String(index)}`,
          namespaceId: 'root',
          namespacePath: '',
          rules: own.map((rule): PathRule => ({
            path: rule.path,
            capabilities: new Set(rule.capabilities.includes('deny') ? ['deny'] : rule.capabilities),
          })),
        })),
        movable(),
      );
      for (let round = 0; round < 5; round++) {
        const asked = path(['a', 'b', 'ab', 'c', 'a.b'], ['']);
        for (const variant of [asked, `${asked}/`]) {
          for (const operation of OPERATIONS) {
            judged++;
            const want = expected(rules, operation, variant);
            if (want) granted++;
            if (may(acl, operation, variant) !== want) wrong.push({ rules, variant, operation, want });
          }
        }
      }
    }
    expect(wrong.slice(0, 3)).toEqual([]);
    expect(judged).toBeGreaterThan(250_000);
    expect(granted).toBeGreaterThan(10_000);
  });

  it('lists a folder by the rule for its name, with and without the slash', () => {
    const plus = aclOf('path "secret/metadata/+" { capabilities = ["list"] }');
    expect(may(plus, 'list', 'secret/metadata/app/')).toBe(true);
    expect(may(plus, 'read', 'secret/metadata/app/')).toBe(false);
    expect(may(aclOf('path "secret/app" { capabilities = ["list"] }'), 'list', 'secret/app/')).toBe(true);
  });

  it('does not let a trailing slash slip a list past a deny', () => {
    const folder = 'path "secret/*" { capabilities = ["list", "scan"] }';
    for (const deny of ['secret/team', 'secret/team/', 'secret/team*', 'secret/+', 'secret/+/']) {
      const acl = aclOf(folder, `path "${deny}" { capabilities = ["deny"] }`);
      expect([deny, may(acl, 'list', 'secret/team/'), may(acl, 'scan', 'secret/team/')]).toEqual([deny, false, false]);
      expect(acl.capabilities(ROOT_NAMESPACE, 'secret/team/')).toEqual(['deny']);
    }
  });

  it('does not let a trailing slash slip anything past the rule for the path without it', () => {
    const folder = 'path "auth/*" { capabilities = ["create", "update", "read", "sudo"] }';
    const closed = (text: string): CompiledAcl => aclOf(folder, `path "auth/role/id" { ${text} }`);
    for (const operation of ['create', 'update', 'read'] as const) {
      expect(may(closed('capabilities = ["deny"]'), operation, 'auth/role/id/')).toBe(false);
      expect(may(closed('capabilities = ["list"]'), operation, 'auth/role/id/')).toBe(false);
    }
    expect(may(closed('capabilities = ["update"] required_parameters = ["a"]'), 'update', 'auth/role/id/')).toBe(false);
    const sudo = closed('capabilities = ["update"]').decide(ROOT_NAMESPACE, 'auth/role/id/', 'update', {}, undefined);
    expect(sudo).toMatchObject({ allowed: true, sudo: false });
    // One rule for both, or none for the other, is enough.
    expect(may(aclOf(folder), 'read', 'auth/role/id/')).toBe(true);
    expect(may(aclOf('path "auth/x/" { capabilities = ["read"] }'), 'read', 'auth/x/')).toBe(true);
  });

  it('judges the parameters of reads, which their queries hold', () => {
    const acl = aclOf('path "a" { capabilities = ["read"] denied_parameters = { "version" = [] } }');
    const allowed = (data: object): boolean =>
      acl.decide(ROOT_NAMESPACE, 'a', 'read', data as JsonObject, undefined).allowed;
    expect([allowed({}), allowed({ version: '1' }), allowed({ other: '1' })]).toEqual([true, false, true]);
  });

  it('adds up what several policies say of one path, and lets one deny beat all', () => {
    const read = 'path "a" { capabilities = ["read"] }';
    const list = 'path "a" { capabilities = ["list"] }';
    const deny = 'path "a" { capabilities = ["read", "deny"] }';
    expect(aclOf(read, list).capabilities(ROOT_NAMESPACE, 'a')).toEqual(['list', 'read']);
    expect(aclOf(read, deny, list).capabilities(ROOT_NAMESPACE, 'a')).toEqual(['deny']);
    expect(may(aclOf(deny, read), 'read', 'a')).toBe(false);
  });

  it('forgets a rule when it ends, whatever else was said of its path', () => {
    const clock = movable();
    const until = new Date(START_MS + 1000).toISOString();
    const acl = new CompiledAcl(
      [
        applied('short', `path "a" { capabilities = ["update"] expiration = "${until}" }`),
        applied('long', 'path "a" { capabilities = ["read"] }'),
        applied('hides', `path "b/c" { capabilities = ["deny"] expiration = "${until}" }`),
        applied('below', 'path "b/*" { capabilities = ["read"] }'),
      ],
      clock,
    );
    expect(acl.capabilities(ROOT_NAMESPACE, 'a')).toEqual(['read', 'update']);
    expect(may(acl, 'read', 'b/c')).toBe(false);
    clock.at += 1000;
    expect(acl.capabilities(ROOT_NAMESPACE, 'a')).toEqual(['read']);
    expect(may(acl, 'update', 'a')).toBe(false);
    expect(may(acl, 'read', 'b/c')).toBe(true);
    expect(acl.describe().exactPaths).toEqual({ a: { capabilities: ['read'] } });
  });

  it('wants answers wrapped within the limits of the rule', () => {
    const acl = aclOf('path "a" { capabilities = ["read"] min_wrapping_ttl = "1m" max_wrapping_ttl = "1h" }');
    expect([undefined, 59, 60, 3600, 3601].map((ttl) => may(acl, 'read', 'a', {}, ttl))).toEqual([
      false,
      false,
      true,
      true,
      false,
    ]);
  });

  it('names the policies that granted, and refuses where no rule matches', () => {
    const acl = aclOf('path "a" { capabilities = ["read", "sudo"] }');
    const decision = acl.decide(ROOT_NAMESPACE, 'a', 'read', {}, undefined);
    expect(decision).toMatchObject({
      allowed: true,
      sudo: true,
      grantingPolicies: [{ name: 'p0', namespaceId: 'root' }],
    });
    const refused = acl.decide(ROOT_NAMESPACE, 'b', 'read', {}, undefined);
    expect(refused).toMatchObject({ allowed: false, sudo: false, grantingPolicies: [] });
  });

  it('tells whether anything below a prefix is granted', () => {
    const acl = aclOf(
      'path "kv/+/x" { capabilities = ["read"] }\npath "db/creds/a" { capabilities = ["read"] }\npath "no/*" { capabilities = ["deny"] }',
    );
    expect(['kv/', 'db/', 'no/', 'pki/'].map((prefix) => acl.touches(ROOT_NAMESPACE, prefix))).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });

  it('puts rules below the namespace of their policy', () => {
    const acl = new CompiledAcl(
      [{ ...applied('p', 'path "a" { capabilities = ["read"] }'), namespacePath: 'team/' }],
      movable(),
    );
    expect(acl.decide({ id: 'x', path: 'team/' }, 'a', 'read', {}, undefined).allowed).toBe(true);
    expect(may(acl, 'read', 'a')).toBe(false);
  });

  it('lets the root policy do everything', () => {
    expect(ROOT_ACL.decide(ROOT_NAMESPACE, 'sys/raw/x', 'delete', {}, undefined)).toMatchObject({
      allowed: true,
      sudo: true,
      root: true,
    });
    expect(ROOT_ACL.capabilities(ROOT_NAMESPACE, 'x')).toEqual(['root']);
  });
});

describe('what the caller is told of its rules', () => {
  it('are capabilities, parameters and limits of wrapping; nothing of what is not set', () => {
    const acl = aclOf(
      `path "a" {
        capabilities = ["create"]
        allowed_parameters = { "x" = ["1"], "y" = [] }
        denied_parameters = { "z" = [] }
        required_parameters = ["x"]
        min_wrapping_ttl = "10s"
        max_wrapping_ttl = "1m"
      }
      path "b" {}`,
    );
    expect(acl.describe().exactPaths).toEqual({
      a: {
        capabilities: ['create'],
        allowed_parameters: { x: ['1'], y: [] },
        denied_parameters: { z: [] },
        required_parameters: ['x'],
        min_wrapping_ttl: 10,
        max_wrapping_ttl: 60,
      },
      b: { capabilities: ['deny'] },
    });
  });
});
