import { withoutEndSlashes } from '@coffer/kernel';
import { badRequest, definePath, field, listResponse } from '@coffer/sdk';
import type { PathDeclaration, RequestContext, Response } from '@coffer/sdk';
import type { LeaseEntry } from '@coffer/core-api';
import type { LeaseService } from './lease-service.ts';

const leaseFields = {
  lease_id: field.string('The lease.'),
  url_lease_id: field.string('The lease, as part of the path.'),
  increment: field.duration('By how much to renew.', { default: 0 }),
  sync: field.bool('Wait until it is revoked.', { default: false }),
};

const timeText = (milliseconds: number): string | null =>
  milliseconds === 0 ? null : new Date(milliseconds).toISOString();

function idOf(fields: { readonly lease_id: string | undefined; readonly url_lease_id: string | undefined }): string {
  const id = fields.url_lease_id || fields.lease_id;
  if (!id) throw badRequest('lease_id must be specified');
  return withoutEndSlashes(id);
}

function describe(lease: LeaseEntry, nowMs: number): Record<string, unknown> {
  return {
    id: lease.id,
    path: lease.path,
    issue_time: timeText(lease.issuedMs),
    expire_time: timeText(lease.expiresMs),
    last_renewal: timeText(lease.lastRenewedMs),
    renewable: lease.renewable,
    ttl: lease.expiresMs === 0 ? 0 : Math.max(0, Math.ceil((lease.expiresMs - nowMs) / 1000)),
  };
}

/** `sys/leases/…`, and the older `sys/renew` and `sys/revoke…`. */
export function leasePaths(leases: () => LeaseService): readonly PathDeclaration<unknown>[] {
  const renew = async (
    fields: {
      readonly lease_id: string | undefined;
      readonly url_lease_id: string | undefined;
      readonly increment: number;
    },
    { request }: RequestContext,
  ): Promise<Response> => {
    const renewed = await leases().renew(request.namespace, idOf(fields), fields.increment);
    return {
      lease: { id: renewed.leaseId, durationSeconds: renewed.ttlSeconds, renewable: renewed.renewable },
      warnings: renewed.warnings,
      ...(renewed.data ? { data: renewed.data } : {}),
    };
  };
  const revoke = async (
    fields: {
      readonly lease_id: string | undefined;
      readonly url_lease_id: string | undefined;
      readonly sync: boolean;
    },
    { request }: RequestContext,
  ): Promise<undefined> => {
    await leases().revoke(request.namespace, idOf(fields), { sync: fields.sync });
  };
  const revokePrefix = async (
    prefix: string,
    sync: boolean,
    force: boolean,
    { request }: RequestContext,
  ): Promise<undefined> => {
    await leases().revokePrefix(request.namespace, prefix, { sync, force });
  };
  const both = (name: string): readonly string[] => [name, `leases/${name}`];
  const renewPath = (pattern: string): PathDeclaration<unknown> =>
    definePath(pattern, {
      fields: leaseFields,
      help: { synopsis: 'Renews a lease.' },
      update: { summary: 'Renew', handler: (_: unknown, fields, context) => renew(fields, context) },
    });
  const revokePath = (pattern: string): PathDeclaration<unknown> =>
    definePath(pattern, {
      fields: leaseFields,
      help: { synopsis: 'Revokes a lease.' },
      update: { summary: 'Revoke', handler: (_: unknown, fields, context) => revoke(fields, context) },
    });
  const prefixPath = (pattern: string, force: boolean): PathDeclaration<unknown> =>
    definePath(pattern, {
      fields: { prefix: field.name('The leases below this path.'), sync: leaseFields.sync },
      help: {
        synopsis: force
          ? 'Drops all leases below a path, whether they can be revoked or not.'
          : 'Revokes all leases below a path.',
      },
      sudo: true,
      update: {
        summary: 'Revoke',
        handler: (_: unknown, { prefix, sync }, context) => revokePrefix(prefix, sync, force, context),
      },
    });
  return [
    ...both('renew').flatMap((name) => [renewPath(name), renewPath(`${name}/:url_lease_id+`)]),
    ...both('revoke').flatMap((name) => [revokePath(name), revokePath(`${name}/:url_lease_id+`)]),
    ...both('revoke-prefix').map((name) => prefixPath(`${name}/:prefix+`, false)),
    ...both('revoke-force').map((name) => prefixPath(`${name}/:prefix+`, true)),
    definePath('leases/lookup', {
      fields: { lease_id: leaseFields.lease_id, url_lease_id: leaseFields.url_lease_id },
      help: { synopsis: 'Shows a lease, or lists leases.' },
      sudo: ['list'],
      update: {
        summary: 'A lease',
        runs: 'any',
        handler: async (_: unknown, fields, { request, nowMs }): Promise<Response> => {
          const lease = await leases().get(request.namespace, idOf(fields));
          if (!lease) throw badRequest('invalid lease');
          return { data: describe(lease, nowMs) };
        },
      },
      list: {
        summary: 'Leases',
        handler: async (_: unknown, _fields, { request }) => listResponse(await leases().list(request.namespace, '')),
      },
    }),
    definePath('leases/lookup/:prefix+', {
      fields: { prefix: field.name('The leases below this path.') },
      help: { synopsis: 'Lists leases.' },
      sudo: true,
      list: {
        summary: 'Leases',
        handler: async (_: unknown, { prefix }, { request }) =>
          listResponse(await leases().list(request.namespace, prefix)),
      },
    }),
    definePath('leases/count', {
      fields: {
        type: field.string("The kind of leases: 'irrevocable'."),
        include_child_namespaces: field.bool('Count those of namespaces below, too.'),
      },
      help: { synopsis: 'Counts leases of a kind.' },
      read: {
        summary: 'How many',
        handler: async (_: unknown, { type }): Promise<Response | undefined> => {
          if (type !== 'irrevocable') return undefined;
          const found = await leases().irrevocable(Number.POSITIVE_INFINITY);
          const counts = new Map<string, number>();
          for (const lease of found) counts.set(lease.mountAccessor, (counts.get(lease.mountAccessor) ?? 0) + 1);
          return { data: { counts: Object.fromEntries(counts), lease_count: found.length } };
        },
      },
    }),
    definePath('leases', {
      fields: {
        type: field.string("The kind of leases: 'irrevocable'."),
        limit: field.string("At most so many, or 'none'."),
        include_child_namespaces: field.bool('List those of namespaces below, too.'),
      },
      help: { synopsis: 'Lists leases of a kind.' },
      sudo: true,
      read: {
        summary: 'Which',
        handler: async (_: unknown, { type, limit }): Promise<Response | undefined> => {
          if (type !== 'irrevocable') return undefined;
          const found = await leases().irrevocable(listLimit(limit));
          return {
            data: {
              lease_count: found.length,
              leases: found.map((lease) => ({
                lease_id: lease.id,
                mount_id: lease.mountAccessor,
                error: lease.revokeError ?? '',
              })),
            },
          };
        },
      },
    }),
    definePath('leases/tidy', {
      fields: {},
      help: { synopsis: 'Looks for leases that are due, at once.' },
      update: {
        summary: 'Tidy',
        handler: (): Response => {
          leases().tidySoon();
          return {
            status: 202,
            warnings: [
              'Tidy operation successfully started. Any information from the operation will be printed to the server logs.',
            ],
          };
        },
      },
    }),
  ];
}

/** @throws RequestError for a limit that is none */
function listLimit(text: string | undefined): number {
  if (text === undefined || text === '') return 10_000;
  if (text === 'none') return Number.POSITIVE_INFINITY;
  if (!/^\d+$/.test(text) || Number(text) === 0) throw badRequest("limit must be 'none' or a positive integer");
  return Number(text);
}
