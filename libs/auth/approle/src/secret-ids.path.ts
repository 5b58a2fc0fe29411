import { badRequest, definePath, field, inCidrs, listResponse, parseCidr } from '@coffer/sdk';
import type { FieldValues, PathDeclaration, RequestContext, Response } from '@coffer/sdk';
import type { AppRole } from './approle.ts';
import { checkCidrs } from './roles.path.ts';
import { roleKey, roles, secretIdAccessors } from './role.ts';
import type { SecretId } from './role.ts';

const secretIdFields = {
  role_name: field.lowerCaseString('Name of the role.', { default: '', word: true }),
  secret_id: field.string('The secret id.', { secret: true }),
  metadata: field.string('JSON of a map of texts that go to the tokens.'),
  cidr_list: field.commaStrings('CIDR blocks from which the secret id may be used.'),
  token_bound_cidrs: field.commaStrings('CIDR blocks of the tokens.'),
  num_uses: field.int('How often it may be used.'),
  ttl: field.duration('How long it lives.'),
};

const timeText = (milliseconds: number): string =>
  milliseconds === 0 ? '0001-01-01T00:00:00Z' : new Date(milliseconds).toISOString();

const describe = (secretId: SecretId): Record<string, unknown> => ({
  cidr_list: secretId.cidrList,
  creation_time: timeText(secretId.createdMs),
  expiration_time: timeText(secretId.expiresMs),
  last_updated_time: timeText(secretId.updatedMs),
  metadata: secretId.metadata,
  secret_id_accessor: secretId.accessor,
  secret_id_num_uses: secretId.numUses,
  secret_id_ttl: secretId.ttlSeconds,
  token_bound_cidrs: secretId.tokenBoundCidrs,
});

function metadataOf(text: string | undefined): Readonly<Record<string, string>> {
  if (text === undefined || text === '') return {};
  const parsed = text.trimStart().startsWith('{') ? fromJson(text) : fromPairs(text);
  if (!parsed) throw badRequest('failed to parse metadata: expected JSON of a map of strings, or key=value pairs');
  return parsed;
}

function fromJson(text: string): Record<string, string> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || !Object.values(value).every((item) => typeof item === 'string'))
      return undefined;
    return value as Record<string, string>;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function fromPairs(text: string): Record<string, string> | undefined {
  // No regular expression: one that skips blanks first takes quadratic time where no = follows.
  const pairs = text.split(',').map((pair) => {
    const equals = pair.indexOf('=');
    return [pair.slice(0, Math.max(equals, 0)).trim(), pair.slice(equals + 1).trim()] as const;
  });
  return pairs.every(([name]) => name !== '') ? Object.fromEntries(pairs) : undefined;
}

/** Blocks that the role's own blocks, if there are any, must hold. @throws RequestError */
function refuseWider(blocks: readonly string[], bounds: readonly string[], field: string): void {
  if (bounds.length === 0) return;
  for (const block of blocks) {
    const own = parseCidr(block);
    const within = bounds.some((bound) => {
      const outer = parseCidr(bound);
      return (
        own &&
        outer &&
        outer.family === own.family &&
        outer.prefixLength <= own.prefixLength &&
        inCidrs(own.address, [bound])
      );
    });
    if (!within) throw badRequest(`CIDR block "${block}" is not within the role's ${field}`);
  }
}

async function issue(
  engine: AppRole,
  fields: FieldValues<typeof secretIdFields>,
  context: RequestContext,
  text: string,
): Promise<Response> {
  const { view, nowMs } = context;
  const role = await engine.knownRole(view, fields.role_name);
  if (!role.bindSecretId) throw badRequest('bind_secret_id is not set on the role');
  const cidrList = checkCidrs(fields.cidr_list ?? []);
  const tokenBoundCidrs = checkCidrs(fields.token_bound_cidrs ?? []);
  refuseWider(cidrList, role.secretIdBoundCidrs ?? [], 'secret_id_bound_cidrs');
  refuseWider(tokenBoundCidrs, role.parameters.boundCidrs, 'token_bound_cidrs');
  const numUses = fields.num_uses ?? role.secretIdNumUses;
  if (numUses < 0) throw badRequest('num_uses cannot be negative');
  if (role.secretIdNumUses > 0 && (numUses === 0 || numUses > role.secretIdNumUses))
    throw badRequest("num_uses cannot be higher than the role's secret_id_num_uses");
  const ttlSeconds = fields.ttl ?? role.secretIdTtlSeconds;
  if (role.secretIdTtlSeconds > 0 && (ttlSeconds === 0 || ttlSeconds > role.secretIdTtlSeconds))
    throw badRequest("ttl cannot be longer than the role's secret_id_ttl");
  const accessor = engine.mount.random.uuid();
  await engine.register(view, role, text, {
    accessor,
    createdMs: nowMs,
    updatedMs: nowMs,
    expiresMs: ttlSeconds > 0 ? nowMs + ttlSeconds * 1000 : 0,
    ttlSeconds,
    numUses,
    metadata: metadataOf(fields.metadata),
    cidrList,
    tokenBoundCidrs,
  });
  return {
    data: { secret_id: text, secret_id_accessor: accessor, secret_id_num_uses: numUses, secret_id_ttl: ttlSeconds },
    wrappedAccessor: accessor,
  };
}

const secretIdPath = definePath('role/:role_name/secret-id', {
  fields: secretIdFields,
  help: { synopsis: 'Issues secret ids of a role, and lists their accessors.' },
  update: {
    summary: 'Issue a secret id',
    handler: (engine: AppRole, fields, context) => issue(engine, fields, context, engine.mount.random.uuid()),
  },
  list: {
    summary: 'Accessors of the secret ids',
    handler: async (_: AppRole, fields, { view }) => {
      const role = await roles.get(view, roleKey(fields.role_name));
      if (!role) throw badRequest(`role "${fields.role_name}" does not exist`);
      return listResponse(await secretIdAccessors.list(view, `${role.secretIdSalt}/`));
    },
  },
});

const customSecretIdPath = definePath('role/:role_name/custom-secret-id', {
  fields: secretIdFields,
  help: { synopsis: "Registers a secret id of the caller's own." },
  update: {
    summary: 'Register a secret id',
    handler: (engine: AppRole, fields, context) => {
      if (!fields.secret_id) throw badRequest('missing secret_id');
      return issue(engine, fields, context, fields.secret_id);
    },
  },
});

const lookupPath = definePath('role/:role_name/secret-id/lookup', {
  fields: { role_name: secretIdFields.role_name, secret_id: secretIdFields.secret_id },
  help: { synopsis: 'Shows what is known of a secret id.' },
  update: {
    summary: 'Look a secret id up',
    runs: 'any',
    handler: async (engine: AppRole, fields, { view }): Promise<Response | undefined> => {
      if (!fields.secret_id) throw badRequest('missing secret_id');
      const role = await engine.knownRole(view, fields.role_name);
      const found = await engine.secretId(view, role, fields.secret_id);
      return found && { data: describe(found) };
    },
  },
});

const destroyOperation = {
  summary: 'Destroy a secret id',
  handler: async (
    engine: AppRole,
    fields: { readonly role_name: string; readonly secret_id: string | undefined },
    { view }: RequestContext,
  ): Promise<undefined> => {
    if (!fields.secret_id) throw badRequest('missing secret_id');
    const role = await engine.knownRole(view, fields.role_name);
    const found = await engine.secretId(view, role, fields.secret_id);
    if (found) engine.destroy(view, engine.secretIdName(role, fields.secret_id), found);
  },
};

const destroyPath = definePath('role/:role_name/secret-id/destroy', {
  fields: { role_name: secretIdFields.role_name, secret_id: secretIdFields.secret_id },
  help: { synopsis: 'Destroys a secret id.' },
  update: destroyOperation,
  delete: destroyOperation,
});

const accessorFields = {
  role_name: secretIdFields.role_name,
  secret_id_accessor: field.string('Accessor of the secret id.'),
};

const lookupAccessorPath = definePath('role/:role_name/secret-id-accessor/lookup', {
  fields: accessorFields,
  help: { synopsis: 'Shows what is known of the secret id of an accessor.' },
  update: {
    summary: 'Look a secret id up',
    runs: 'any',
    handler: async (engine: AppRole, fields, { view }): Promise<Response> => {
      if (!fields.secret_id_accessor) throw badRequest('missing secret_id_accessor');
      const role = await engine.knownRole(view, fields.role_name);
      const found = await engine.byAccessor(view, role, fields.secret_id_accessor);
      if (!found)
        return {
          status: 404,
          data: { error: `failed to find accessor entry for secret_id_accessor: "${fields.secret_id_accessor}"` },
        };
      return { data: describe(found.secretId) };
    },
  },
});

const destroyAccessorOperation = {
  summary: 'Destroy a secret id',
  handler: async (
    engine: AppRole,
    fields: FieldValues<typeof accessorFields>,
    { view }: RequestContext,
  ): Promise<undefined> => {
    if (!fields.secret_id_accessor) throw badRequest('missing secret_id_accessor');
    const role = await engine.knownRole(view, fields.role_name);
    const found = await engine.byAccessor(view, role, fields.secret_id_accessor);
    if (!found)
      throw badRequest(`failed to find accessor entry for secret_id_accessor: "${fields.secret_id_accessor}"`);
    engine.destroy(view, found.name, found.secretId);
  },
};

const destroyAccessorPath = definePath('role/:role_name/secret-id-accessor/destroy', {
  fields: accessorFields,
  help: { synopsis: 'Destroys the secret id of an accessor.' },
  update: destroyAccessorOperation,
  delete: destroyAccessorOperation,
});

const tidyPath = definePath('tidy/secret-id', {
  fields: {},
  help: { synopsis: 'Removes secret ids that have ended.' },
  update: {
    summary: 'Tidy',
    handler: (engine: AppRole): Response => {
      engine.tidy().catch((error: unknown) => engine.mount.log.warn('tidying secret ids ended early', { error }));
      return {
        status: 202,
        warnings: [
          'Tidy operation successfully started. Any information from the operation will be printed to the server logs.',
        ],
      };
    },
  },
});

export const secretIdPaths: readonly PathDeclaration<AppRole>[] = [
  secretIdPath,
  customSecretIdPath,
  lookupPath,
  destroyPath,
  lookupAccessorPath,
  destroyAccessorPath,
  tidyPath,
];
