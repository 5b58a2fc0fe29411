import { definePath, field, ROOT_NAMESPACE, PathTable } from '@coffer/sdk';
import type { EngineType, PathDeclaration } from '@coffer/sdk';
import type { LiveMount, PolicyStore, Route, Router, TokenStore } from '@coffer/core-api';
import { describeHelp } from './describe-help.ts';
import { openApiPaths } from './openapi.path.ts';
import { openApiDocument } from './openapi.ts';
import { routeText } from './path-text.ts';
import { caller } from './test-world.fixture.ts';

const handler = () => undefined;
const paths: readonly PathDeclaration<unknown>[] = [
  definePath('data/:path+', {
    fields: {
      path: field.name('Where it lies.'),
      data: field.map('What is\nstored.', { required: true }),
      ttl: field.duration('How long.', { default: 0, deprecated: true }),
    },
    help: { synopsis: 'Secrets by path.', description: 'In many words.' },
    exists: () => true,
    read: { summary: 'Read a secret', handler },
    update: { summary: 'Write a secret', handler },
    delete: { summary: 'Delete a secret', handler },
  }),
  definePath('roles/:name?', {
    fields: { name: field.name('A role.') },
    help: { synopsis: 'Roles.' },
    sudo: true,
    list: { summary: 'All roles', handler },
  }),
  definePath('login', {
    fields: { password: field.string('The password.', { secret: true }) },
    help: { synopsis: 'Logs in.' },
    unauthenticated: true,
    update: {
      summary: 'Log in',
      handler,
      responses: { 200: { description: 'In', fields: { id: field.int('Who.') } } },
    },
  }),
  definePath('secretly', {
    fields: {},
    help: { synopsis: 'Not shown.' },
    hidden: true,
    read: { summary: 'x', handler },
  }),
];

interface Item {
  readonly get?: { readonly operationId: string; readonly parameters?: readonly { readonly name: string }[] };
  readonly post?: { readonly operationId: string };
}

/** All `$ref`s of a document. */
function refs(value: unknown): readonly string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => (key === '$ref' ? [inner as string] : refs(inner)));
}

describe('the OpenAPI document', () => {
  const document = openApiDocument('1.0.0', [
    { prefix: 'a/', tag: 'secrets', paths },
    { prefix: 'a/b/', tag: 'secrets', paths },
    { prefix: '__proto__/', tag: 'secrets', paths },
  ]);
  const items = document.paths as Record<string, Item>;

  it('has every path that is not hidden, and nothing else', () => {
    expect(Object.keys(document.paths)).toEqual(
      ['__proto__', 'a/b', 'a']
        .flatMap((mount) => ['data/{path}', 'login', 'roles', 'roles/{name}'].map((path) => `/${mount}/${path}`))
        .sort(),
    );
  });

  it('names each operation once and refers only to what is there', () => {
    const ids = Object.values(items).flatMap(({ get, post }) => [get, post].flatMap((o) => (o ? [o.operationId] : [])));
    expect(ids.length).toBeGreaterThan(9);
    expect(new Set(ids).size).toBe(ids.length);
    const parsed = JSON.parse(JSON.stringify(document)) as typeof document;
    const used = refs(parsed.paths).map((ref) => ref.replace('#/components/schemas/', ''));
    expect([...used].sort()).toEqual(Object.keys(parsed.components.schemas).sort());
  });

  it('says what is special', () => {
    expect(items['/a/data/{path}']).toMatchObject({
      'x-vault-createSupported': true,
      parameters: [{ name: 'path', in: 'path', required: true }],
      get: { summary: 'Read a secret' },
      delete: { responses: { 204: {} } },
    });
    expect(items['/a/roles']).toMatchObject({ 'x-vault-sudo': true });
    expect(items['/a/roles']?.get?.parameters).toEqual([expect.objectContaining({ name: 'list', required: true })]);
    expect(items['/a/login']).toMatchObject({
      'x-vault-unauthenticated': true,
      post: { responses: { 200: { content: { 'application/json': { schema: { properties: { id: {} } } } } } } },
    });
    expect(document.components.schemas.AWriteDataByPathRequest).toMatchObject({
      required: ['data'],
      properties: {
        data: { type: 'object' },
        ttl: { type: 'string', format: 'duration', default: 0, deprecated: true },
      },
    });
  });
});

const mountOf = (prefix: string, visibility = ''): LiveMount =>
  ({
    prefix,
    entry: { namespace: ROOT_NAMESPACE, tuning: { listingVisibility: visibility } },
    type: { paths, help: { synopsis: 'Keeps secrets.', description: 'Well.' } } as unknown as EngineType,
  }) as unknown as LiveMount;

describe('sys/internal/specs/openapi', () => {
  const all = [mountOf('sys/'), mountOf('secret/'), mountOf('auth/open/', 'unauth'), mountOf('hidden/')];
  const { call } = caller(
    openApiPaths({
      version: '1',
      router: () => ({ all: () => all }) as unknown as Router,
      tokens: () =>
        ({ lookup: (token: string) => Promise.resolve(token === 'good' ? {} : undefined) }) as unknown as TokenStore,
      policies: () =>
        ({
          aclFor: () => Promise.resolve({ touches: (_: unknown, path: string) => path === 'secret/' }),
        }) as unknown as PolicyStore,
    }),
  );
  const seenBy = async (token: string | undefined): Promise<readonly string[]> => {
    const answer = await call('read', 'internal/specs/openapi', {}, { request: { token, namespace: ROOT_NAMESPACE } });
    return Object.keys((answer?.data as { paths: object }).paths);
  };

  it('shows strangers only what needs no token', async () => {
    const open = ['/auth/open/login', '/sys/login'];
    expect(await seenBy(undefined)).toEqual(open);
    expect(await seenBy('bad')).toEqual(open);
  });

  it('shows the mounts that the caller may use', async () => {
    const seen = await seenBy('good');
    expect(seen).toContain('/secret/data/{path}');
    expect(seen.some((path) => path.startsWith('/hidden/'))).toBe(false);
  });
});

describe('help', () => {
  const help = (relativePath: string): Record<string, unknown> => {
    const path = new PathTable(paths).match(relativePath)?.path;
    const route = { mount: mountOf('secret/'), relativePath, captures: {}, ...(path ? { path } : {}) } as Route;
    return { ...describeHelp(route).data };
  };

  it('is laid out like Vault', () => {
    const { help: text, see_also: seeAlso, openapi } = help('data/x');
    expect(text).toBe(
      [
        'Request:        data/x',
        'Matching Route: ^data/(?P<path>.*)$',
        '',
        'Secrets by path.',
        '',
        '## PARAMETERS',
        '',
        '    data (map)',
        '',
        '        What is',
        '        stored.',
        '',
        '    path (string)',
        '',
        '        Where it lies.',
        '',
        '    ttl (duration (sec))',
        '',
        '        (DEPRECATED) How long.',
        '',
        '## DESCRIPTION',
        '',
        'In many words.',
      ].join('\n'),
    );
    expect(seeAlso).toBeNull();
    expect(Object.keys(openapi as object).sort()).toEqual(['components', 'info', 'openapi', 'paths']);
    expect(Object.keys((openapi as { paths: object }).paths)).toEqual(['/data/{path}']);
  });

  it('lists the paths of a mount', () => {
    const { help: text } = help('');
    expect(String(text).match(/^## .*/gm)).toEqual(['## DESCRIPTION', '## PATHS']);
    expect(text).toContain('    ^roles(?:/(?P<name>[^/]+))?$\n        Roles.');
    expect(text).not.toContain('secretly');
  });

  it('knows no path that is not declared', () => {
    expect(() => help('no/such')).toThrow('unsupported path');
  });

  it.each([
    ['mounts', '^mounts$'],
    ['mounts/:path+/tune', '^mounts/(?P<path>.*)/tune$'],
    ['.well-known/keys', '^\\.well-known/keys$'],
    [':path*', '^(?P<path>.*)$'],
  ])('shows %s as %s', (pattern, text) => {
    expect(routeText({ pattern, fields: {} })).toBe(text);
  });
});
