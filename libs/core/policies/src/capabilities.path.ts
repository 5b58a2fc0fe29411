import { Secret } from '@coffer/kernel';
import { RequestError, badRequest, definePath, field } from '@coffer/sdk';
import type { PathDeclaration, RequestContext, Response } from '@coffer/sdk';
import { coreContext } from '@coffer/core-api';
import type { Acl, PolicyStore, TokenStore } from '@coffer/core-api';

export interface CapabilityDeps {
  readonly tokens: () => TokenStore;
  readonly policies: () => PolicyStore;
}

/** Every token may ask about itself, and each path is work for the loop that serves all. */
const PATHS_MAX = 1000;

const pathFields = {
  paths: field.commaStrings('Paths to judge.'),
  path: field.commaStrings('Paths to judge, under an older name.', { deprecated: true }),
};

/** `sys/capabilities…`: what a token may do on some paths. */
export function capabilityPaths(deps: CapabilityDeps): readonly PathDeclaration<unknown>[] {
  return [
    definePath('capabilities-self', {
      fields: { ...pathFields, token: field.string('Ignored: the caller is judged.', { secret: true }) },
      help: { synopsis: 'What the caller may do on some paths.' },
      update: {
        summary: "The caller's capabilities",
        runs: 'any',
        handler: (_: unknown, fields, context): Response => {
          const { acl } = coreContext(context);
          if (!acl) throw new RequestError('permission-denied');
          return judge(acl, pathsOf(fields), context);
        },
      },
    }),
    definePath('capabilities', {
      fields: { ...pathFields, token: field.string('The token to judge.', { secret: true }) },
      help: { synopsis: 'What a token may do on some paths.' },
      update: {
        summary: "A token's capabilities",
        runs: 'any',
        handler: async (_: unknown, fields, context): Promise<Response> => {
          if (!fields.token) throw badRequest('no token found');
          const paths = pathsOf(fields);
          const entry = await deps.tokens().lookup(new Secret(fields.token));
          if (!entry) throw badRequest('invalid token');
          return judge(await deps.policies().aclFor(entry), paths, context);
        },
      },
    }),
    definePath('capabilities-accessor', {
      fields: { ...pathFields, accessor: field.string('Accessor of the token to judge.') },
      help: { synopsis: 'What the token of an accessor may do on some paths.' },
      update: {
        summary: "A token's capabilities",
        runs: 'any',
        handler: async (_: unknown, fields, context): Promise<Response> => {
          if (!fields.accessor) throw badRequest('missing accessor');
          const paths = pathsOf(fields);
          const entry = await deps.tokens().byAccessor(fields.accessor);
          if (!entry) throw badRequest('invalid accessor');
          return judge(await deps.policies().aclFor(entry), paths, context);
        },
      },
    }),
  ];
}

function pathsOf(fields: {
  readonly paths: readonly string[] | undefined;
  readonly path: readonly string[] | undefined;
}): readonly string[] {
  const paths = fields.paths && fields.paths.length > 0 ? fields.paths : fields.path;
  if (!paths || paths.length === 0) throw badRequest('paths must be supplied');
  if (paths.length > PATHS_MAX) throw badRequest(`paths: at most ${String(PATHS_MAX)} may be asked for at a time`);
  if (paths.includes('')) throw badRequest('missing path');
  return paths;
}

function judge(acl: Acl, paths: readonly string[], context: RequestContext): Response {
  const { namespace } = context.request;
  const pairs: [string, unknown][] = paths.map((path) => [path, acl.capabilities(namespace, path)]);
  const [only] = pairs;
  if (pairs.length === 1 && only) pairs.push(['capabilities', only[1]]);
  return { alsoAtTopLevel: true, data: Object.fromEntries(pairs) };
}
