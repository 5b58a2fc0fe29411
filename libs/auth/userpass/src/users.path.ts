import {
  RequestError,
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
  policyNames,
  tokenFields,
} from '@coffer/sdk';
import type { FieldValues, Response, TokenParameters } from '@coffer/sdk';
import { checkPasswordHash, hashPassword } from './password.ts';
import { userKey, users } from './user.ts';
import type { User } from './user.ts';

const olderFields = {
  policies: field.commaStrings('Policies of tokens, under an older name.', { deprecated: true }),
  ttl: field.duration('TTL of tokens, under an older name.', { deprecated: true }),
  max_ttl: field.duration('Longest TTL of tokens, under an older name.', { deprecated: true }),
  bound_cidrs: field.commaStrings('CIDR blocks of logins, under an older name.', { deprecated: true }),
};

const userFields = {
  username: field.lowerCaseString('Name of the user.', { default: '', word: true }),
  password: field.string('Password of the user.', { secret: true }),
  password_hash: field.string('Hash of the password by bcrypt, in place of the password.', { secret: true }),
  ...olderFields,
  ...tokenFields,
};

/** The newer names win over the older ones. */
function parametersOf(fields: FieldValues<typeof userFields>, before: TokenParameters | undefined): TokenParameters {
  return applyTokenFields(
    {
      ...fields,
      token_policies: fields.token_policies ?? (fields.policies && policyNames(fields.policies)),
      token_ttl: fields.token_ttl ?? fields.ttl,
      token_max_ttl: fields.token_max_ttl ?? fields.max_ttl,
      token_bound_cidrs: fields.token_bound_cidrs ?? fields.bound_cidrs,
    },
    before,
  );
}

/** The newer name of each older one. */
const NEWER = {
  policies: 'token_policies',
  ttl: 'token_ttl',
  max_ttl: 'token_max_ttl',
  bound_cidrs: 'token_bound_cidrs',
} as const;

const describe = ({ parameters, older }: User): Record<string, unknown> => ({
  ...describeTokenParameters(parameters),
  ...describeOlder(parameters, NEWER, older),
});

async function newHash(password: string | undefined, hash: string | undefined): Promise<string | undefined> {
  if (password && hash) throw badRequest('only one of password or password_hash may be provided');
  if (hash) return checkPasswordHash(hash);
  return password ? hashPassword(password) : undefined;
}

export const usersPath = definePath('users', {
  fields: pageFields,
  help: { synopsis: 'Lists the users.' },
  list: {
    summary: 'The users',
    handler: async (_: null, page, { view }) => listResponse(await users.list(view, '', pageOf(page))),
  },
});

export const userPath = definePath('users/:username', {
  fields: userFields,
  help: { synopsis: 'Makes, shows, changes and removes users.' },
  exists: (_: null, { username }, { view }) => users.has(view, userKey(username)),
  read: {
    summary: 'A user, without the password',
    handler: async (_: null, { username }, { view }): Promise<Response | undefined> => {
      const user = await users.get(view, userKey(username));
      return user && { data: describe(user) };
    },
  },
  update: {
    summary: 'Make or change a user',
    handler: async (_: null, fields, { view }): Promise<undefined> => {
      const name = userKey(fields.username);
      const before = await users.get(view, name);
      const hash = await newHash(fields.password, fields.password_hash);
      const passwordHash = hash ?? before?.passwordHash;
      if (passwordHash === undefined) throw badRequest('must provide either password or password_hash');
      const parameters = parametersOf(fields, before?.parameters);
      const after: User = { passwordHash, parameters, older: olderNames(fields, NEWER, before?.older) };
      users.put(view, name, after);
    },
  },
  delete: {
    summary: 'Remove a user',
    handler: (_: null, { username }, { view }): undefined => {
      users.delete(view, userKey(username));
    },
  },
});

function refuseMissing(user: User | undefined): User {
  if (!user) throw new RequestError('bad-request', 'username does not exist');
  return user;
}

export const userPasswordPath = definePath('users/:username/password', {
  fields: { username: userFields.username, password: userFields.password, password_hash: userFields.password_hash },
  help: { synopsis: 'Changes the password of a user.' },
  update: {
    summary: 'Change the password',
    handler: async (_: null, fields, { view }): Promise<undefined> => {
      const name = userKey(fields.username);
      const user = refuseMissing(await users.get(view, name));
      const passwordHash = await newHash(fields.password, fields.password_hash);
      if (passwordHash === undefined) throw badRequest('must provide either password or password_hash');
      users.put(view, name, { ...user, passwordHash });
    },
  },
});

export const userPoliciesPath = definePath('users/:username/policies', {
  fields: { username: userFields.username, policies: userFields.policies, token_policies: tokenFields.token_policies },
  help: { synopsis: 'Changes the policies of a user.' },
  update: {
    summary: 'Change the policies',
    handler: async (_: null, fields, { view }): Promise<undefined> => {
      const name = userKey(fields.username);
      const user = refuseMissing(await users.get(view, name));
      const wanted = fields.token_policies ?? fields.policies;
      if (wanted === undefined) return undefined;
      const policies = policyNames(wanted);
      const after: User = {
        ...user,
        parameters: { ...user.parameters, policies },
        older: olderNames(fields, NEWER, user.older),
      };
      users.put(view, name, after);
    },
  },
});
