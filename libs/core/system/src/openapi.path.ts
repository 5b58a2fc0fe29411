import { definePath, field } from '@coffer/sdk';
import type { PathDeclaration, RequestContext, Response } from '@coffer/sdk';
import type { Acl, LiveMount, PolicyStore, Router, TokenStore } from '@coffer/core-api';
import { tagOf } from './describe-help.ts';
import { openApiDocument } from './openapi.ts';
import type { OpenApiSource } from './openapi.ts';

export interface OpenApiDeps {
  readonly router: () => Router;
  readonly tokens: () => TokenStore;
  readonly policies: () => PolicyStore;
  readonly version: string;
}

/** `sys/internal/specs/openapi`: the API of all mounts that the caller may use, made from the paths as declared. */
export function openApiPaths(deps: OpenApiDeps): readonly PathDeclaration<unknown>[] {
  const callerAcl = async ({ request }: RequestContext): Promise<Acl | undefined> => {
    const entry = request.token && (await deps.tokens().lookup(request.token));
    return entry && deps.policies().aclFor(entry);
  };
  const answer = async (context: RequestContext): Promise<Response> => {
    const acl = await callerAcl(context);
    const { namespace } = context.request;
    const sources = deps
      .router()
      .all()
      .filter(({ entry }) => entry.namespace.id === namespace.id)
      .flatMap((mount) => {
        const mayUse = acl?.touches(namespace, mount.prefix) ?? false;
        return mayUse ? [sourceOf(mount, mount.type.paths)] : openPart(mount);
      });
    const document = openApiDocument(deps.version, sources);
    return { bare: true, data: { ...document } };
  };
  return [
    definePath('internal/specs/openapi', {
      fields: {
        context: field.string('Accepted for clients that send it; nothing depends on it.'),
        generic_mount_paths: field.bool('Accepted for clients that send it; paths are those of the mounts.', {
          default: false,
        }),
      },
      help: { synopsis: 'The API as an OpenAPI 3 document.' },
      unauthenticated: true,
      neverWrapped: true,
      read: { summary: 'The document', handler: (_: unknown, _fields, context) => answer(context) },
      update: { summary: 'The document', runs: 'any', handler: (_: unknown, _fields, context) => answer(context) },
    }),
  ];
}

function sourceOf(mount: LiveMount, paths: readonly PathDeclaration<unknown>[]): OpenApiSource {
  return { prefix: mount.prefix, tag: tagOf(mount), paths };
}

/** What anybody may know: paths without authentication, of `sys/` and of mounts that are listed for everybody. */
function openPart(mount: LiveMount): readonly OpenApiSource[] {
  const isListed = mount.prefix === 'sys/' || mount.entry.tuning.listingVisibility === 'unauth';
  return isListed
    ? [
        sourceOf(
          mount,
          mount.type.paths.filter((path) => path.unauthenticated),
        ),
      ]
    : [];
}
