'use strict';

const json = (value) => `${JSON.stringify(value, null, 2)}\n`;

/** What both kinds have. */
function filesOfBoth({ name, moduleName, className, packageName }) {
  const source = { '@coffer/source': './src/index.ts', types: './dist/index.d.ts', default: './dist/index.js' };
  return {
    'package.json': json({
      name: packageName,
      version: '0.1.0',
      private: true,
      type: 'module',
      exports: { '.': source },
      dependencies: {
        '@coffer/kernel': '0.1.0',
        '@coffer/sdk': '0.1.0',
        '@coffer/sdk-nest': '0.1.0',
        '@nestjs/common': '^12.5.1',
      },
      devDependencies: { '@coffer/testing': '0.1.0' },
      nx: { tags: ['scope:plugin'] },
    }),
    'tsconfig.json': json({
      extends: '../../../tsconfig.base.json',
      compilerOptions: { rootDir: 'src', outDir: 'dist', tsBuildInfoFile: 'dist/.tsbuildinfo' },
      include: ['src'],
      references: ['kernel', 'sdk', 'sdk-nest', 'testing'].map((each) => ({ path: `../../${each}` })),
    }),
    'src/index.ts': `export * from './${name}.engine.ts';\nexport * from './${name}.module.ts';\n`,
    [`src/${name}.module.ts`]: `import { Module } from '@nestjs/common';
import { ${className} } from './${name}.engine.ts';

@Module({ providers: [${className}] })
export class ${moduleName} {}
`,
  };
}

function filesOfSecret(names) {
  const { name, className } = names;
  return {
    ...filesOfBoth(names),
    'src/items.path.ts': `import { whenReady } from '@coffer/kernel';
import { badRequest, collection, definePath, field, listResponse, pageFields, pageOf } from '@coffer/sdk';

/** What is kept under a name. */
interface Item {
  readonly value: string;
}

const items = collection<Item>('item/');

export const itemsPath = definePath('items', {
  fields: { ...pageFields },
  help: { synopsis: 'Lists the items.' },
  list: {
    summary: 'The names of the items',
    handler: (_: null, fields, { view }) =>
      whenReady(items.list(view, '', pageOf(fields)), (keys) => listResponse(keys)),
  },
});

export const itemPath = definePath('items/:name', {
  fields: {
    name: field.name('Name of the item.'),
    value: field.string('What to keep.', { secret: true }),
  },
  help: { synopsis: 'Writes, reads and removes an item.' },
  exists: (_: null, { name }, { view }) => items.has(view, name),
  read: {
    summary: 'Read an item',
    handler: (_: null, { name }, { view }) =>
      whenReady(items.get(view, name), (item) => item && { data: { value: item.value } }),
  },
  update: {
    summary: 'Write an item',
    handler: (_: null, { name, value }, { view }): undefined => {
      if (value === undefined) throw badRequest('missing value');
      items.put(view, name, { value });
    },
  },
  delete: {
    summary: 'Remove an item',
    handler: (_: null, { name }, { view }): undefined => {
      items.delete(view, name);
    },
  },
});
`,
    [`src/${name}.engine.ts`]: `import type { EngineType } from '@coffer/sdk';
import { SecretsEngine } from '@coffer/sdk-nest';
import { itemPath, itemsPath } from './items.path.ts';

/** Keeps one value under each name. */
@SecretsEngine({ names: ['${name}'] })
export class ${className} implements EngineType<null> {
  readonly help = {
    synopsis: 'Keeps values by name.',
    description: 'Values are written to items/<name> and read from there.',
  };
  readonly paths = [itemsPath, itemPath];

  create(): null {
    return null;
  }
}
`,
    [`src/${name}.spec.ts`]: `import { describeEngine, openEngine } from '@coffer/testing';
import { ${className} } from './${name}.engine.ts';

describeEngine('${name}', new ${className}());

describe('${name}', () => {
  it('gives back what was written, until it is removed', async () => {
    const engine = await openEngine(new ${className}());
    await engine.update('items/a', { value: 'v' });
    expect((await engine.read('items/a'))?.data).toEqual({ value: 'v' });
    expect(await engine.list('items')).toEqual(['a']);
    await engine.delete('items/a');
    expect(await engine.read('items/a')).toBeUndefined();
  });

  it('refuses to write nothing', async () => {
    const engine = await openEngine(new ${className}());
    await expect(engine.update('items/a', {})).rejects.toThrow('missing value');
  });
});
`,
  };
}

function filesOfAuth(names) {
  const { name, className } = names;
  return {
    ...filesOfBoth(names),
    'src/roles.path.ts': `import { createHmac } from 'node:crypto';
import { equalInConstantTime, whenReady } from '@coffer/kernel';
import {
  RequestError,
  applyTokenFields,
  badRequest,
  collection,
  definePath,
  describeTokenParameters,
  field,
  inCidrs,
  listResponse,
  pageFields,
  pageOf,
  tokenFields,
} from '@coffer/sdk';
import type { MountContext, Response, TokenParameters } from '@coffer/sdk';

/** A role, and the HMAC of what its logins must know. */
interface Role {
  readonly secretHash: string;
  readonly parameters: TokenParameters;
}

export const roles = collection<Role>('role/');

/** Bound to the mount: a copied hash is good for nothing elsewhere. */
const hashOf = (mount: MountContext, secret: string): string =>
  createHmac('sha256', mount.derive('${name}-secrets', 32)).update(secret).digest('hex');

export const rolesPath = definePath('roles', {
  fields: { ...pageFields },
  help: { synopsis: 'Lists the roles.' },
  list: {
    summary: 'The names of the roles',
    handler: (_: MountContext, fields, { view }) =>
      whenReady(roles.list(view, '', pageOf(fields)), (keys) => listResponse(keys)),
  },
});

export const rolePath = definePath('roles/:name', {
  fields: {
    name: field.name('Name of the role.'),
    secret: field.string('What logins must know. Make it long and random.', { secret: true }),
    ...tokenFields,
  },
  help: { synopsis: 'Makes, shows, changes and removes a role.' },
  exists: (_: MountContext, { name }, { view }) => roles.has(view, name),
  read: {
    summary: 'A role, without its secret',
    handler: (_: MountContext, { name }, { view }) =>
      whenReady(
        roles.get(view, name),
        (role): Response | undefined => role && { data: describeTokenParameters(role.parameters) },
      ),
  },
  update: {
    summary: 'Make or change a role',
    handler: async (mount: MountContext, fields, { view }): Promise<undefined> => {
      const before = await roles.get(view, fields.name);
      const secretHash = fields.secret ? hashOf(mount, fields.secret) : before?.secretHash;
      if (secretHash === undefined) throw badRequest('missing secret');
      roles.put(view, fields.name, { secretHash, parameters: applyTokenFields(fields, before?.parameters) });
    },
  },
  delete: {
    summary: 'Remove a role',
    handler: (_: MountContext, { name }, { view }): undefined => {
      roles.delete(view, name);
    },
  },
});

export const loginPath = definePath('login/:name', {
  fields: {
    name: field.name('Name of the role.'),
    secret: field.string('The secret of the role.', { secret: true }),
  },
  help: { synopsis: 'Logs in with the name and the secret of a role.' },
  unauthenticated: true,
  login: true,
  update: {
    summary: 'Log in',
    handler: async (mount: MountContext, { name, secret }, { view, request }): Promise<Response> => {
      if (!secret) throw badRequest('missing secret');
      const role = await roles.get(view, name);
      // Unknown names and wrong secrets take the same way and get the same answer.
      const matches = equalInConstantTime(hashOf(mount, secret), role?.secretHash ?? hashOf(mount, ''));
      if (!matches || !role) throw new RequestError('invalid-credentials');
      const { parameters } = role;
      if (parameters.boundCidrs.length > 0 && !inCidrs(request.connection.remoteAddress, parameters.boundCidrs))
        throw new RequestError('permission-denied');
      return {
        login: {
          displayName: name,
          policies: parameters.policies,
          metadata: { role: name },
          alias: { name },
          parameters,
          renewable: true,
          internal: { role: name },
        },
      };
    },
  },
});
`,
    [`src/${name}.engine.ts`]: `import { RequestError } from '@coffer/sdk';
import type { EngineType, LoginAuth, LoginRenewal, MountContext, ReadableView, RequestContext } from '@coffer/sdk';
import { AuthMethod } from '@coffer/sdk-nest';
import { loginPath, rolePath, roles, rolesPath } from './roles.path.ts';

/** Logs in with the secret of a role. */
@AuthMethod({ names: ['${name}'] })
export class ${className} implements EngineType<MountContext> {
  readonly help = {
    synopsis: 'Logs in with the secret of a role.',
    description: 'Roles are made under roles/; logins go to login/<name>.',
  };
  readonly paths = [rolesPath, rolePath, loginPath];

  create(mount: MountContext): MountContext {
    return mount;
  }

  /** @throws RequestError where the role is gone */
  async renewLogin(
    _: MountContext,
    auth: Pick<LoginAuth, 'internal'>,
    { view }: RequestContext,
  ): Promise<LoginRenewal> {
    const name = auth.internal?.role;
    const role = typeof name === 'string' ? await roles.get(view, name) : undefined;
    if (!role) throw new RequestError('bad-request', 'the role that the token was made for no longer exists');
    return { parameters: role.parameters, policies: role.parameters.policies };
  }

  /** Logins that fail are counted by this name. */
  loginAlias(_: MountContext, { name }: Readonly<Record<string, unknown>>): string | undefined {
    return typeof name === 'string' ? name : undefined;
  }

  /** Quotas may be set for each role. */
  async loginRole(
    _: MountContext,
    { name }: Readonly<Record<string, unknown>>,
    _path: string,
    view: ReadableView,
  ): Promise<string | undefined> {
    return typeof name === 'string' && (await roles.has(view, name)) ? name : undefined;
  }
}
`,
    [`src/${name}.spec.ts`]: `import { describeEngine, openEngine } from '@coffer/testing';
import type { OpenEngine } from '@coffer/testing';
import { ${className} } from './${name}.engine.ts';

describeEngine('${name}', new ${className}(), { kind: 'auth' });

async function withRole(): Promise<OpenEngine> {
  const engine = await openEngine(new ${className}(), { kind: 'auth' });
  await engine.update('roles/app', { secret: 'right', token_policies: 'app', token_bound_cidrs: '127.0.0.0/8' });
  return engine;
}

describe('${name}', () => {
  it('logs in with the right secret', async () => {
    const engine = await withRole();
    expect((await engine.update('login/app', { secret: 'right' }))?.login).toMatchObject({ policies: ['app'] });
  });

  it('refuses a wrong secret and an unknown role alike', async () => {
    const engine = await withRole();
    const refusal = { code: 'invalid-credentials' };
    await expect(engine.update('login/app', { secret: 'wrong' })).rejects.toMatchObject(refusal);
    await expect(engine.update('login/none', { secret: 'right' })).rejects.toMatchObject(refusal);
  });

  it('refuses logins from other addresses', async () => {
    const engine = await withRole();
    const login = engine.update('login/app', { secret: 'right' }, { remoteAddress: '10.0.0.1' });
    await expect(login).rejects.toMatchObject({ status: 403 });
  });

  it('renews logins by the role as it is now, and none without it', async () => {
    const engine = await withRole();
    const login = await engine.update('login/app', { secret: 'right' });
    await engine.update('roles/app', { token_ttl: '1h' });
    expect((await engine.renewLogin(login))?.parameters.ttlSeconds).toBe(3600);
    await engine.delete('roles/app');
    await expect(engine.renewLogin(login)).rejects.toThrow('no longer exists');
  });

  it('neither shows nor keeps the secret', async () => {
    const engine = await withRole();
    expect((await engine.read('roles/app'))?.data).not.toHaveProperty('secret');
    for (const entry of await engine.stored()) expect(entry.join()).not.toContain('right');
  });
});
`,
  };
}

module.exports = { filesOfAuth, filesOfSecret };
