import { badRequest, policyNames } from '@coffer/sdk';
import { matchesGlob } from './role.ts';
import type { TokenRole } from './role.ts';

export interface PolicyWish {
  /** As sent. */
  readonly asked: readonly string[];
  readonly noDefaultPolicy: boolean;
  /** The parent's. */
  readonly inherited: readonly string[];
  readonly sudo: boolean;
  readonly role: TokenRole | undefined;
}

/** Policies that nobody is given: they belong to tokens that the server makes for itself. */
const NOT_ASSIGNABLE: ReadonlySet<string> = new Set(['response-wrapping', 'control-group']);

/**
 * The policies of a new token, normalised. A role with lists decides by itself; otherwise a caller without sudo gives no
 * more than it has.
 *
 * @throws RequestError `bad-request`
 */
export function policiesForToken(wish: PolicyWish): readonly string[] {
  const { role, noDefaultPolicy } = wish;
  const chosen = role && hasLists(role) ? byRole(wish, role) : byParent(wish);
  const final = noDefaultPolicy ? chosen.filter((name) => name !== 'default') : chosen;
  const refused = final.find((name) => NOT_ASSIGNABLE.has(name));
  if (refused !== undefined) throw badRequest(`cannot assign policy "${refused}"`);
  return final;
}

function hasLists(role: TokenRole): boolean {
  return (
    role.allowedPolicies.length > 0 ||
    role.disallowedPolicies.length > 0 ||
    role.allowedPolicyGlobs.length > 0 ||
    role.disallowedPolicyGlobs.length > 0
  );
}

function byRole({ asked, inherited, noDefaultPolicy }: PolicyWish, role: TokenRole): readonly string[] {
  const addDefault =
    !noDefaultPolicy &&
    !role.parameters.noDefaultPolicy &&
    !role.disallowedPolicies.includes('default') &&
    !matchesGlob(role.disallowedPolicyGlobs, 'default');
  const names = (list: readonly string[]): readonly string[] => withDefault(list, addDefault);
  let chosen = asked.length > 0 ? names(asked) : [];
  if (role.allowedPolicies.length > 0 || role.allowedPolicyGlobs.length > 0) {
    const allowed = names(role.allowedPolicies);
    if (chosen.length === 0) chosen = allowed;
    const outside = chosen.some((name) => !allowed.includes(name) && !matchesGlob(role.allowedPolicyGlobs, name));
    if (outside) {
      throw badRequest(
        `token policies (${quoted(chosen)}) must be subset of the role's allowed policies (${quoted(allowed)}) or glob policies (${quoted(role.allowedPolicyGlobs)})`,
      );
    }
  } else if (chosen.length === 0) {
    chosen = names(inherited);
  }
  const refused = chosen.find(
    (name) => role.disallowedPolicies.includes(name) || matchesGlob(role.disallowedPolicyGlobs, name),
  );
  if (refused !== undefined) throw badRequest(`token policy "${refused}" is disallowed by this role`);
  return chosen;
}

function byParent({ asked, inherited, noDefaultPolicy, sudo }: PolicyWish): readonly string[] {
  const own = policyNames(inherited);
  if (asked.length === 0) return own;
  const names = policyNames(asked);
  if (sudo) return withDefault(names, !noDefaultPolicy);
  if (names.some((name) => !own.includes(name))) throw badRequest('child policies must be subset of parent');
  return withDefault(names, !noDefaultPolicy && own.includes('default'));
}

/** A root token has no other policies. */
function withDefault(list: readonly string[], add: boolean): readonly string[] {
  const names = policyNames(list);
  if (names.includes('root')) return ['root'];
  return add ? policyNames([...names, 'default']) : names;
}

function quoted(names: readonly string[]): string {
  return `[${names.map((name) => `"${name}"`).join(' ')}]`;
}
