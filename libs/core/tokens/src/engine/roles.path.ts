import {
  NO_TOKEN_PARAMETERS,
  applyTokenFields,
  badRequest,
  definePath,
  field,
  listResponse,
  policyNames,
  shortCidr,
  tokenFields,
} from '@coffer/sdk';
import { coreContext } from '@coffer/core-api';
import type { FieldValues, PathDeclaration, RequestContext, Response, TokenParameters } from '@coffer/sdk';
import { roles } from './role.ts';
import type { TokenRole } from './role.ts';

const roleFields = {
  role_name: field.name('Name of the role.', { word: true }),
  allowed_policies: field.commaStrings('Policies that tokens may have; without, any that the caller has.'),
  disallowed_policies: field.commaStrings('Policies that tokens may not have.'),
  allowed_policies_glob: field.commaStrings('As allowed_policies, with * at either end.'),
  disallowed_policies_glob: field.commaStrings('As disallowed_policies, with * at either end.'),
  allowed_entity_aliases: field.commaStrings('Aliases that a caller may name as entity_alias.'),
  orphan: field.bool('Makes tokens without a parent.'),
  renewable: field.bool('Whether tokens may be renewed.'),
  path_suffix: field.string('Appended to the path of tokens, to revoke them by.'),
  period: field.duration('Older name of token_period.', { deprecated: true }),
  explicit_max_ttl: field.duration('Older name of token_explicit_max_ttl.', { deprecated: true }),
  bound_cidrs: field.commaStrings('Older name of token_bound_cidrs.', { deprecated: true }),
  ...tokenFields,
};
type RoleFields = FieldValues<typeof roleFields>;

const NEW_ROLE: TokenRole = {
  allowedPolicies: [],
  disallowedPolicies: [],
  allowedPolicyGlobs: [],
  disallowedPolicyGlobs: [],
  allowedEntityAliases: null,
  orphan: false,
  renewable: true,
  pathSuffix: '',
  parameters: { ...NO_TOKEN_PARAMETERS, type: 'default-service' },
  legacyPeriodSeconds: 0,
  legacyExplicitMaxTtlSeconds: 0,
};

const PATH_SUFFIX = /^\w[\w-.]+\w$/;

function apply(sent: RoleFields, before: TokenRole): TokenRole {
  const pathSuffix = sent.path_suffix ?? before.pathSuffix;
  if (pathSuffix !== '' && (!PATH_SUFFIX.test(pathSuffix) || pathSuffix.includes('..'))) {
    throw badRequest('given role path suffix contains invalid characters; must match \\w[\\w-.]+\\w');
  }
  const legacy = {
    ...sent,
    token_period: sent.token_period ?? sent.period,
    token_explicit_max_ttl: sent.token_explicit_max_ttl ?? sent.explicit_max_ttl,
    token_bound_cidrs: sent.token_bound_cidrs ?? sent.bound_cidrs,
    // Roles of the token store have types of their own, and other rules for them: see refuseBatch.
    token_type: undefined,
  };
  const parameters: TokenParameters = {
    ...applyTokenFields(legacy, { ...before.parameters, type: 'default' }),
    type: sent.token_type === undefined ? before.parameters.type : typeOf(sent.token_type),
  };
  const after: TokenRole = {
    allowedPolicies: names(sent.allowed_policies, before.allowedPolicies),
    disallowedPolicies: names(sent.disallowed_policies, before.disallowedPolicies),
    allowedPolicyGlobs: names(sent.allowed_policies_glob, before.allowedPolicyGlobs),
    disallowedPolicyGlobs: names(sent.disallowed_policies_glob, before.disallowedPolicyGlobs),
    allowedEntityAliases:
      sent.allowed_entity_aliases === undefined
        ? before.allowedEntityAliases
        : [...new Set(sent.allowed_entity_aliases.map((alias) => alias.toLowerCase()))].sort(),
    orphan: sent.orphan ?? before.orphan,
    renewable: sent.renewable ?? before.renewable,
    pathSuffix,
    parameters,
    legacyPeriodSeconds: sent.token_period === undefined ? (sent.period ?? before.legacyPeriodSeconds) : 0,
    legacyExplicitMaxTtlSeconds:
      sent.token_explicit_max_ttl === undefined ? (sent.explicit_max_ttl ?? before.legacyExplicitMaxTtlSeconds) : 0,
    legacyBoundCidrs:
      sent.token_bound_cidrs === undefined ? (sent.bound_cidrs?.map(shortCidr) ?? before.legacyBoundCidrs ?? []) : [],
  };
  refuseBatch(after);
  return after;
}

const OLDER = ['period', 'bound_cidrs', 'explicit_max_ttl'] as const;

/** What is taken, but not as it may have been meant. */
function warnOf(sent: RoleFields, role: TokenRole, context: RequestContext): void {
  for (const older of OLDER) {
    if (sent[older] !== undefined && sent[`token_${older}`] !== undefined)
      context.warn(`Both 'token_${older}' and deprecated '${older}' value supplied, ignoring the deprecated value`);
  }
  const asked = role.parameters.explicitMaxTtlSeconds;
  const most = coreContext(context).mount.context.system.maxLeaseTtlSeconds();
  if (asked > most)
    context.warn(
      `Given explicit max TTL of ${String(asked)} is greater than system/mount allowed value of ${String(most)} seconds; ` +
        'tokens made by this role will live no longer than that',
    );
}

function names(sent: readonly string[] | undefined, before: readonly string[]): readonly string[] {
  return sent === undefined ? before : policyNames(sent);
}

/** @throws RequestError `bad-request` for what is no type of roles */
function typeOf(text: string): TokenParameters['type'] {
  const type = (['service', 'batch', 'default-service', 'default-batch'] as const).find((known) => known === text);
  if (type === undefined) throw badRequest(`invalid 'token_type' value "${text}"`);
  return type;
}

/** What a role cannot say whose tokens are batch tokens, whatever is asked for. @throws RequestError `bad-request` */
function refuseBatch({ parameters, orphan, renewable }: TokenRole): void {
  if (parameters.type !== 'batch') return;
  const because = (what: string): string => `'token_type' cannot be 'batch' when role is set to generate ${what}`;
  if (!orphan) throw badRequest(because('non-orphan tokens'));
  if (parameters.periodSeconds > 0) throw badRequest(because('periodic tokens'));
  if (renewable) throw badRequest(because('renewable tokens'));
  if (parameters.explicitMaxTtlSeconds > 0) throw badRequest(because('tokens with an explicit max TTL'));
}

function describe(name: string, role: TokenRole): Record<string, unknown> {
  const { parameters } = role;
  return {
    name,
    allowed_policies: role.allowedPolicies,
    disallowed_policies: role.disallowedPolicies,
    allowed_policies_glob: role.allowedPolicyGlobs,
    disallowed_policies_glob: role.disallowedPolicyGlobs,
    allowed_entity_aliases: role.allowedEntityAliases,
    orphan: role.orphan,
    renewable: role.renewable,
    path_suffix: role.pathSuffix,
    period: role.legacyPeriodSeconds,
    explicit_max_ttl: role.legacyExplicitMaxTtlSeconds,
    ...(role.legacyBoundCidrs?.length ? { bound_cidrs: role.legacyBoundCidrs } : {}),
    ...describeParameters(parameters),
  };
}

function describeParameters(parameters: TokenParameters): Record<string, unknown> {
  return {
    token_explicit_max_ttl: parameters.explicitMaxTtlSeconds,
    token_period: parameters.periodSeconds,
    token_type: parameters.type,
    token_no_default_policy: parameters.noDefaultPolicy,
    ...(parameters.boundCidrs.length > 0 ? { token_bound_cidrs: parameters.boundCidrs } : {}),
    ...(parameters.numUses > 0 ? { token_num_uses: parameters.numUses } : {}),
  };
}

export const rolesPath: PathDeclaration<null> = definePath('roles', {
  fields: {},
  help: { synopsis: 'Lists the roles.' },
  list: {
    summary: 'Names of the roles',
    handler: async (_: null, _fields, { view }) => listResponse(await roles.list(view)),
  },
});

export const rolePath: PathDeclaration<null> = definePath('roles/:role_name', {
  fields: roleFields,
  help: { synopsis: 'Makes, shows and removes a role: what tokens made by it may be.' },
  exists: (_: null, { role_name: name }, { view }) => roles.has(view, name),
  read: {
    summary: 'A role',
    handler: async (_: null, { role_name: name }, { view }): Promise<Response | undefined> => {
      const role = await roles.get(view, name);
      return role ? { data: describe(name, role) } : undefined;
    },
  },
  update: {
    summary: 'Make or change a role',
    handler: async (_: null, sent, context): Promise<undefined> => {
      const { view } = context;
      const before = await roles.get(view, sent.role_name);
      const role = apply(sent, before ?? NEW_ROLE);
      warnOf(sent, role, context);
      roles.put(view, sent.role_name, role);
    },
  },
  delete: {
    summary: 'Remove a role',
    handler: (_: null, { role_name: name }, { view }): undefined => {
      roles.delete(view, name);
    },
  },
});
