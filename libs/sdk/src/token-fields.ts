import { field } from './field.ts';
import type { FieldValues } from './field.ts';
import { badRequest } from './errors.ts';
import type { RequestedTokenType, TokenParameters } from './token-parameters.ts';
import { NO_TOKEN_PARAMETERS } from './token-parameters.ts';
import { parseCidr, shortCidr } from './cidr.ts';

/** The `token_*` fields of every login role; spread them into a path's `fields`. */
export const tokenFields = {
  token_bound_cidrs: field.commaStrings('Comma-separated CIDR blocks: logins and tokens are good only from there.', {
    display: { name: "Generated Token's Bound CIDRs", group: 'Tokens' },
  }),
  token_explicit_max_ttl: field.duration('A hard limit on how long tokens live, whatever is renewed.', {
    display: { name: "Generated Token's Explicit Maximum TTL", group: 'Tokens' },
  }),
  token_max_ttl: field.duration('The longest that tokens live.', {
    display: { name: "Generated Token's Maximum TTL", group: 'Tokens' },
  }),
  token_no_default_policy: field.bool("Leaves the 'default' policy out of tokens.", {
    display: { name: "Do Not Attach 'default' Policy To Generated Tokens", group: 'Tokens' },
  }),
  token_num_uses: field.int('How often a token may be used; 0 is without limit.', {
    display: { name: 'Maximum Uses of Generated Tokens', group: 'Tokens' },
  }),
  token_period: field.duration('Makes tokens periodic: each renewal sets them to this TTL, without end.', {
    display: { name: "Generated Token's Period", group: 'Tokens' },
  }),
  token_policies: field.commaStrings('Comma-separated policies of tokens.', {
    display: { name: "Generated Token's Policies", group: 'Tokens' },
  }),
  token_strictly_bind_ip: field.bool('Binds tokens to the address that the login came from.', {
    display: { name: 'Strictly Bind IP', group: 'Tokens' },
  }),
  token_ttl: field.duration('How long tokens live at first.', {
    display: { name: "Generated Token's Initial TTL", group: 'Tokens' },
  }),
  token_type: field.string("The type of tokens: 'service', 'batch' or 'default'.", {
    display: { name: "Generated Token's Type", group: 'Tokens' },
  }),
} as const;

const TOKEN_TYPES: ReadonlySet<string> = new Set(['', 'default', 'service', 'batch']);

/**
 * What was sent, over what a role had. Names of policies stay as they were sent, and are shown so: `policyNames` is for whoever
 * judges by them or makes a token.
 *
 * @throws RequestError `bad-request` for a type, number or CIDR block that does not fit
 */
export function applyTokenFields(
  sent: FieldValues<typeof tokenFields>,
  before: TokenParameters = NO_TOKEN_PARAMETERS,
): TokenParameters {
  for (const cidr of sent.token_bound_cidrs ?? []) {
    // As Vault reads it, a text with a slash that is no block is the path of a UNIX socket: no address lies in it, so
    // nobody is let in by it.
    if (!parseCidr(cidr) && !cidr.includes('/'))
      throw badRequest(`token_bound_cidrs: "${cidr}" is not an IP address or CIDR block`);
  }
  const { token_type: type } = sent;
  if (type !== undefined && !TOKEN_TYPES.has(type)) throw badRequest(`invalid 'token_type' value "${type}"`);
  const after: TokenParameters = {
    boundCidrs: sent.token_bound_cidrs?.map(shortCidr) ?? before.boundCidrs,
    explicitMaxTtlSeconds: sent.token_explicit_max_ttl ?? before.explicitMaxTtlSeconds,
    maxTtlSeconds: sent.token_max_ttl ?? before.maxTtlSeconds,
    noDefaultPolicy: sent.token_no_default_policy ?? before.noDefaultPolicy,
    numUses: sent.token_num_uses ?? before.numUses,
    periodSeconds: sent.token_period ?? before.periodSeconds,
    policies: sent.token_policies?.filter((name) => name !== '') ?? before.policies,
    strictlyBindIp: sent.token_strictly_bind_ip ?? before.strictlyBindIp,
    ttlSeconds: sent.token_ttl ?? before.ttlSeconds,
    type: type === undefined ? before.type : type === '' ? 'default' : (type as RequestedTokenType),
  };
  if (after.numUses < 0) throw badRequest("'token_num_uses' cannot be negative");
  if (after.strictlyBindIp && after.boundCidrs.length > 0)
    throw badRequest("'token_strictly_bind_ip' conflicts with 'token_bound_cidrs'; set only one");
  if (after.maxTtlSeconds > 0 && after.ttlSeconds > after.maxTtlSeconds)
    throw badRequest("'token_ttl' cannot be greater than 'token_max_ttl'");
  if (after.type === 'batch' || after.type === 'default-batch') {
    if (after.periodSeconds > 0)
      throw badRequest("'token_type' cannot be 'batch' or 'default_batch' when set to generate periodic tokens");
    if (after.numUses > 0)
      throw badRequest(
        "'token_type' cannot be 'batch' or 'default_batch' when set to generate tokens with limited use count",
      );
  }
  return after;
}

/** The same fields, as reading a role shows them. */
export function describeTokenParameters(parameters: TokenParameters): Record<string, unknown> {
  return {
    token_bound_cidrs: parameters.boundCidrs,
    token_explicit_max_ttl: parameters.explicitMaxTtlSeconds,
    token_max_ttl: parameters.maxTtlSeconds,
    token_no_default_policy: parameters.noDefaultPolicy,
    token_num_uses: parameters.numUses,
    token_period: parameters.periodSeconds,
    token_policies: parameters.policies,
    token_strictly_bind_ip: parameters.strictlyBindIp,
    token_ttl: parameters.ttlSeconds,
    token_type: parameters.type,
  };
}

/**
 * Which fields of a role were last written under an older name (`policies` for `token_policies`): reading shows these under
 * both, as the value of either.
 *
 * @param names the newer name of each older one
 * @param before what this returned when the role was written before
 */
export function olderNames(
  sent: Readonly<Record<string, unknown>>,
  names: Readonly<Record<string, string>>,
  before: readonly string[] = [],
): readonly string[] {
  return Object.entries(names)
    .filter(([older, newer]) => sent[older] !== undefined || (sent[newer] === undefined && before.includes(older)))
    .map(([older]) => older);
}

/** What `olderNames` returned, as reading shows it: the older names with the values of the newer ones. */
export function describeOlder(
  parameters: TokenParameters,
  names: Readonly<Record<string, string>>,
  older: readonly string[] = [],
): Record<string, unknown> {
  const shown = describeTokenParameters(parameters);
  const again = Object.entries(names).filter(([name]) => older.includes(name));
  return Object.fromEntries(again.map(([name, newer]) => [name, shown[newer]]));
}

/**
 * Policy names as they are given to tokens: trimmed, lower-cased, without empty and double ones, sorted. All fields that take
 * names of policies go through here, so that no spelling of `root` slips by a check (CVE-2024-9180, CVE-2025-5999).
 */
export function policyNames(names: readonly string[]): readonly string[] {
  const plain = names.map((name) =>
    name
      .normalize('NFKC')
      .replaceAll(/[\p{Cc}\p{Cf}]/gu, '')
      .trim()
      .toLowerCase(),
  );
  return [...new Set(plain.filter((name) => name !== ''))].sort();
}
