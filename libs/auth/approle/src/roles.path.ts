import {
  applyTokenFields,
  badRequest,
  definePath,
  describeOlder,
  describeTokenParameters,
  field,
  listResponse,
  olderNames,
  pageFields,
  pageOf,
  parseCidr,
  policyNames,
  tokenFields,
} from '@coffer/sdk';
import type { FieldValues, PathDeclaration, RequestContext, Response, TokenParameters } from '@coffer/sdk';
import type { AppRole } from './approle.ts';
import { roleKey, roles } from './role.ts';
import type { Role } from './role.ts';

const roleFields = {
  role_name: field.lowerCaseString('Name of the role.', { default: '', word: true }),
  role_id: field.string('Identifier of the role; made by the server if left out.'),
  bind_secret_id: field.bool('Whether logins need a secret id.'),
  local_secret_ids: field.bool('Whether secret ids stay in this cluster; cannot be changed later.'),
  secret_id_bound_cidrs: field.commaStrings('CIDR blocks from which secret ids may be used.'),
  secret_id_num_uses: field.int('How often a secret id may be used; 0 is without limit.'),
  secret_id_ttl: field.duration('How long secret ids live; 0 is without end.'),
  policies: field.commaStrings('Policies of tokens, under an older name.', { deprecated: true }),
  period: field.duration('Period of tokens, under an older name.', { deprecated: true }),
  bound_cidr_list: field.commaStrings('CIDR blocks of secret ids, under an older name.', { deprecated: true }),
  ...tokenFields,
};

type RoleFields = FieldValues<typeof roleFields>;

/** The newer name of each older one. */
const NEWER = { policies: 'token_policies', period: 'token_period' } as const;

/** @throws RequestError */
export function checkCidrs(cidrs: readonly string[]): readonly string[] {
  for (const cidr of cidrs)
    if (!cidr.includes('/') || !parseCidr(cidr))
      throw badRequest(`failed to validate CIDR blocks: invalid CIDR address: ${cidr}`);
  return cidrs;
}

function newRole(engine: AppRole, name: string): Omit<Role, 'parameters'> {
  const { random } = engine.mount;
  return {
    name,
    roleId: random.uuid(),
    bindSecretId: true,
    localSecretIds: false,
    secretIdBoundCidrs: null,
    secretIdNumUses: 0,
    secretIdTtlSeconds: 0,
    secretIdSalt: random.uuid(),
  };
}

/** Roles have no use for the defaults of mounts; earlier versions took them. */
function withPlainType(fields: RoleFields, warn: (text: string) => void): RoleFields {
  const type = /^default-(service|batch)$/.exec(fields.token_type ?? '')?.[1];
  if (type === undefined) return fields;
  warn(`default-${type} has no useful meaning; adjusting to ${type}`);
  return { ...fields, token_type: type };
}

function applyFields(engine: AppRole, fields: RoleFields, before: Role | undefined): Role {
  const name = roleKey(fields.role_name);
  const base = before ?? newRole(engine, name);
  const cidrs = fields.secret_id_bound_cidrs ?? fields.bound_cidr_list;
  const role: Role = {
    ...base,
    roleId: fields.role_id || base.roleId,
    bindSecretId: fields.bind_secret_id ?? base.bindSecretId,
    localSecretIds: fields.local_secret_ids ?? base.localSecretIds,
    secretIdBoundCidrs: cidrs === undefined ? base.secretIdBoundCidrs : checkCidrs(cidrs),
    secretIdNumUses: fields.secret_id_num_uses ?? base.secretIdNumUses,
    secretIdTtlSeconds: fields.secret_id_ttl ?? base.secretIdTtlSeconds,
    parameters: applyTokenFields(
      {
        ...fields,
        token_policies: fields.token_policies ?? (fields.policies && policyNames(fields.policies)),
        token_period: fields.token_period ?? fields.period,
      },
      before?.parameters,
    ),
    older: olderNames(fields, NEWER, before?.older),
  };
  if (before && before.localSecretIds !== role.localSecretIds)
    throw badRequest('local_secret_ids can only be modified during role creation');
  if (role.secretIdNumUses < 0) throw badRequest('secret_id_num_uses cannot be negative');
  return role;
}

const describe = (role: Role): Record<string, unknown> => ({
  bind_secret_id: role.bindSecretId,
  local_secret_ids: role.localSecretIds,
  secret_id_bound_cidrs: role.secretIdBoundCidrs,
  secret_id_num_uses: role.secretIdNumUses,
  secret_id_ttl: role.secretIdTtlSeconds,
  ...describeTokenParameters(role.parameters),
  ...describeOlder(role.parameters, NEWER, role.older),
});

export const rolesPath = definePath('role', {
  fields: pageFields,
  help: { synopsis: 'Lists the roles.' },
  list: {
    summary: 'The roles',
    handler: async (_: AppRole, page, { view }) => listResponse(await roles.list(view, '', pageOf(page))),
  },
});

export const rolePath = definePath('role/:role_name', {
  fields: roleFields,
  help: { synopsis: 'Makes, shows, changes and removes a role.' },
  exists: (_: AppRole, fields, { view }) => roles.has(view, roleKey(fields.role_name)),
  read: {
    summary: 'A role',
    handler: async (_: AppRole, fields, { view }): Promise<Response | undefined> => {
      const role = await roles.get(view, roleKey(fields.role_name));
      return role && { data: describe(role) };
    },
  },
  update: {
    summary: 'Make or change a role',
    handler: async (engine: AppRole, fields, { view, warn }): Promise<undefined> => {
      const before = await roles.get(view, roleKey(fields.role_name));
      const role = applyFields(engine, withPlainType(fields, warn), before);
      const { maxSeconds } = { maxSeconds: engine.mount.system.maxLeaseTtlSeconds() };
      if (role.parameters.maxTtlSeconds > maxSeconds)
        warn(
          "token_max_ttl is greater than the backend mount's maximum TTL value; issued tokens' max TTL value will be truncated",
        );
      await engine.putRole(view, role, before);
    },
  },
  delete: {
    summary: 'Remove a role with its secret ids',
    handler: async (engine: AppRole, fields, { view }): Promise<undefined> => {
      const role = await roles.get(view, roleKey(fields.role_name));
      if (role) await engine.deleteRole(view, role);
    },
  },
});

export const roleIdPath = definePath('role/:role_name/role-id', {
  fields: { role_name: roleFields.role_name, role_id: roleFields.role_id },
  help: { synopsis: 'Shows and sets the id of a role.' },
  read: {
    summary: 'The role id',
    handler: async (_: AppRole, fields, { view }): Promise<Response | undefined> => {
      const role = await roles.get(view, roleKey(fields.role_name));
      return role && { data: { role_id: role.roleId } };
    },
  },
  update: {
    summary: 'Set the role id',
    handler: async (engine: AppRole, fields, { view }): Promise<undefined> => {
      const role = await engine.knownRole(view, fields.role_name);
      if (!fields.role_id) throw badRequest('missing role_id');
      await engine.putRole(view, { ...role, roleId: fields.role_id }, role);
    },
  },
});

/** One field of a role, with an endpoint of its own. */
interface OwnField {
  readonly path: string;
  readonly field: keyof typeof roleFields;
  /** Its older name, sent in its place. */
  readonly older?: keyof typeof roleFields;
  readonly read: (role: Role) => unknown;
  /** What it is after `DELETE`; left out for what cannot be changed. */
  readonly cleared?: (role: Role) => Role;
  /** What becomes of it when it is written here. */
  readonly settled?: (role: Role) => Role;
  /** A write without it changes nothing. */
  readonly optional?: true;
  /** Told to who reads it. */
  readonly warning?: string;
}

const withParameters = (role: Role, change: Partial<TokenParameters>): Role => ({
  ...role,
  parameters: { ...role.parameters, ...change },
});

const OWN_FIELDS: readonly OwnField[] = [
  {
    path: 'policies',
    field: 'token_policies',
    older: 'policies',
    read: (role) => role.parameters.policies,
    settled: (role) => withParameters(role, { policies: policyNames(role.parameters.policies) }),
    cleared: (role) => withParameters(role, { policies: [] }),
  },
  { path: 'local-secret-ids', field: 'local_secret_ids', read: (role) => role.localSecretIds },
  {
    path: 'bind-secret-id',
    field: 'bind_secret_id',
    read: (role) => role.bindSecretId,
    cleared: (role) => ({ ...role, bindSecretId: true }),
  },
  {
    path: 'secret-id-num-uses',
    field: 'secret_id_num_uses',
    read: (role) => role.secretIdNumUses,
    cleared: (role) => ({ ...role, secretIdNumUses: 0 }),
  },
  {
    path: 'secret-id-ttl',
    field: 'secret_id_ttl',
    read: (role) => role.secretIdTtlSeconds,
    cleared: (role) => ({ ...role, secretIdTtlSeconds: 0 }),
  },
  {
    path: 'secret-id-bound-cidrs',
    optional: true,
    field: 'secret_id_bound_cidrs',
    read: (role) => role.secretIdBoundCidrs,
    cleared: (role) => ({ ...role, secretIdBoundCidrs: null }),
  },
  {
    path: 'bound-cidr-list',
    optional: true,
    warning:
      'The "bound_cidr_list" field is deprecated and will be removed. Please use "secret_id_bound_cidrs" instead.',
    field: 'bound_cidr_list',
    read: (role) => (role.secretIdBoundCidrs?.length ? role.secretIdBoundCidrs : null),
    cleared: (role) => ({ ...role, secretIdBoundCidrs: null }),
  },
  {
    path: 'token-bound-cidrs',
    optional: true,
    field: 'token_bound_cidrs',
    read: (role) => (role.parameters.boundCidrs.length > 0 ? role.parameters.boundCidrs : null),
    cleared: (role) => withParameters(role, { boundCidrs: [] }),
  },
  {
    path: 'period',
    field: 'token_period',
    older: 'period',
    read: (role) => role.parameters.periodSeconds,
    cleared: (role) => withParameters(role, { periodSeconds: 0 }),
  },
  {
    path: 'token-num-uses',
    field: 'token_num_uses',
    read: (role) => role.parameters.numUses,
    cleared: (role) => withParameters(role, { numUses: 0 }),
  },
  {
    path: 'token-ttl',
    field: 'token_ttl',
    read: (role) => role.parameters.ttlSeconds,
    cleared: (role) => withParameters(role, { ttlSeconds: 0 }),
  },
  {
    path: 'token-max-ttl',
    field: 'token_max_ttl',
    read: (role) => role.parameters.maxTtlSeconds,
    cleared: (role) => withParameters(role, { maxTtlSeconds: 0 }),
  },
];

/** One field of a role, read with its older name where it was written so. */
function describeOwn(own: OwnField, role: Role): Record<string, unknown> {
  const older = own.older && role.older?.includes(own.older) ? { [own.older]: own.read(role) } : {};
  return { [own.field]: own.read(role), ...older };
}

/** With this field as it was sent; what else was sent is not meant for here. */
function withOwn(engine: AppRole, own: OwnField, sent: RoleFields, role: Role): Role {
  const name = sent[own.field] === undefined ? own.older : own.field;
  if (name === undefined || sent[name] === undefined) {
    if (own.optional) return role;
    throw badRequest(`missing ${own.older ?? own.field}`);
  }
  const none = Object.fromEntries(Object.keys(roleFields).map((key) => [key, undefined])) as unknown as RoleFields;
  const next = applyFields(engine, { ...none, role_name: sent.role_name, [name]: sent[name] }, role);
  return own.settled ? own.settled(next) : next;
}

function ownFieldPath(own: OwnField): PathDeclaration<AppRole> {
  const { cleared } = own;
  const change = {
    update: {
      summary: `Set ${own.field}`,
      handler: async (engine: AppRole, sent: RoleFields, { view }: RequestContext): Promise<undefined> => {
        const role = await engine.knownRole(view, sent.role_name);
        await engine.putRole(view, withOwn(engine, own, sent, role), role);
      },
    },
    delete: {
      summary: `Reset ${own.field}`,
      handler: async (engine: AppRole, sent: RoleFields, { view }: RequestContext): Promise<undefined> => {
        const role = await roles.get(view, roleKey(sent.role_name));
        if (!role || !cleared) return;
        const older = role.older?.filter((name) => name !== own.older) ?? [];
        await engine.putRole(view, { ...cleared(role), older }, role);
      },
    },
  };
  return definePath(`role/:role_name/${own.path}`, {
    fields: { ...roleFields },
    help: { synopsis: `Shows, sets and resets ${own.field} of a role.` },
    read: {
      summary: `Read ${own.field}`,
      handler: async (_: AppRole, sent, { view }): Promise<Response | undefined> => {
        const role = await roles.get(view, roleKey(sent.role_name));
        return role && { data: describeOwn(own, role), ...(own.warning ? { warnings: [own.warning] } : {}) };
      },
    },
    ...(cleared ? change : {}),
  });
}

export const ownFieldPaths = OWN_FIELDS.map(ownFieldPath);
