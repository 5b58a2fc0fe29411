import { withEndSlash } from '@coffer/kernel';
import { RequestError, definePath, field } from '@coffer/sdk';
import type { PathDeclaration, Response } from '@coffer/sdk';
import { coreContext } from '@coffer/core-api';
import type { Acl, CoreRequestContext, MountEntry, Mounts, PolicyStore, Router, TokenStore } from '@coffer/core-api';
import { mountData } from './mount-data.ts';

export interface InternalUiDeps {
  readonly mounts: () => Mounts;
  readonly router: () => Router;
  readonly tokens: () => TokenStore;
  readonly policies: () => PolicyStore;
  readonly version: string;
}

/** `sys/internal/ui/…`: what the caller may see; the CLI asks here before every KV access. */
export function internalUiPaths(deps: InternalUiDeps): readonly PathDeclaration<unknown>[] {
  const callerAcl = async (context: CoreRequestContext): Promise<Acl | undefined> => {
    const { token } = context.request;
    if (!token) return undefined;
    const entry = await deps.tokens().lookup(token);
    if (!entry) throw new RequestError('invalid-token');
    return deps.policies().aclFor(entry);
  };
  const entries = (
    context: CoreRequestContext,
    table: 'secret' | 'auth',
    acl: Acl | undefined,
  ): Record<string, unknown> => {
    const { namespace } = context.request;
    const shown: Record<string, unknown> = {};
    for (const entry of deps.mounts().list(table, namespace)) {
      const open = entry.tuning.listingVisibility === 'unauth';
      const prefix = table === 'auth' ? `auth/${entry.path}` : entry.path;
      if (!open && !acl?.touches(namespace, prefix)) continue;
      shown[entry.path] = acl ? mountData(entry, deps.version) : openData(entry);
    }
    return shown;
  };
  return [
    definePath('internal/ui/mounts', {
      fields: {},
      help: { synopsis: 'The mounts that the caller may see.' },
      unauthenticated: true,
      read: {
        summary: 'The visible mounts',
        handler: async (_: unknown, _fields, context): Promise<Response> => {
          const core = coreContext(context);
          const acl = await callerAcl(core);
          return { data: { secret: entries(core, 'secret', acl), auth: entries(core, 'auth', acl) } };
        },
      },
    }),
    definePath('internal/ui/mounts/:path+', {
      fields: { path: field.name('A path in the mount.') },
      help: { synopsis: 'The mount that a path lies in, for who may go there.' },
      unauthenticated: true,
      read: {
        summary: 'The mount of a path',
        handler: async (_: unknown, { path }, context): Promise<Response> => {
          const core = coreContext(context);
          const { namespace } = context.request;
          const refusal = new RequestError(
            'permission-denied',
            `preflight capability check returned 403, please ensure client's policies grant access to path "${withEndSlash(path)}"`,
          );
          const acl = await callerAcl(core);
          const mount = deps.router().mount(namespace, path);
          if (!acl) throw new RequestError('permission-denied');
          if (!mount || !acl.touches(namespace, mount.prefix)) throw refusal;
          return { data: { ...mountData(mount.entry, deps.version), path: mount.entry.path } };
        },
      },
    }),
    definePath('internal/ui/resultant-acl', {
      fields: {},
      help: { synopsis: "The caller's rules, all policies added up." },
      read: {
        summary: 'The rules',
        handler: (_: unknown, _fields, context): Response => {
          const { acl } = coreContext(context);
          if (!acl) throw new RequestError('permission-denied');
          const { root, exactPaths, globPaths } = acl.describe();
          return { data: root ? { root } : { exact_paths: exactPaths, glob_paths: globPaths, root } };
        },
      },
    }),
    definePath('internal/ui/namespaces', {
      fields: {},
      help: { synopsis: 'The namespaces below this one that the caller may see.' },
      unauthenticated: true,
      read: { summary: 'The visible namespaces', handler: (): Response => ({ data: { keys: [] } }) },
    }),
  ];
}

function openData(entry: MountEntry): Record<string, unknown> {
  return { type: entry.type, description: entry.description, options: entry.options };
}
