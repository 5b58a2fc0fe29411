import { RequestError, badRequest, definePath, field } from '@coffer/sdk';
import type { PathDeclaration, RequestContext, Response } from '@coffer/sdk';
import type { TokenEntry } from '@coffer/core-api';
import type { TokenEngineDeps } from './deps.ts';
import { findByAccessor, findToken, ownToken } from './find-token.ts';

/** The parent is left out: its id would be more than the caller may know. */
async function describe(
  deps: TokenEngineDeps,
  entry: TokenEntry,
  text: string,
  { nowMs, request }: RequestContext,
): Promise<Response> {
  const ends = entry.expiresMs > 0;
  const identityPolicies =
    entry.entityId === '' || entry.noIdentityPolicies
      ? []
      : await deps.identity().policiesOf(entry.entityId, entry.namespace);
  return {
    data: {
      accessor: entry.accessor,
      ...(entry.boundCidrs.length > 0 ? { bound_cidrs: entry.boundCidrs } : {}),
      creation_time: Math.floor(entry.createdMs / 1000),
      creation_ttl: entry.ttlSeconds,
      display_name: entry.displayName,
      entity_id: entry.entityId,
      expire_time: ends ? new Date(entry.expiresMs).toISOString() : null,
      explicit_max_ttl: entry.explicitMaxTtlSeconds,
      id: text,
      ...(identityPolicies.length > 0 ? { identity_policies: identityPolicies, external_namespace_policies: {} } : {}),
      issue_time: new Date(entry.createdMs).toISOString(),
      ...(entry.lastRenewedMs > 0
        ? {
            last_renewal: new Date(entry.lastRenewedMs).toISOString(),
            last_renewal_time: Math.floor(entry.lastRenewedMs / 1000),
          }
        : {}),
      meta: entry.metadata,
      ...(request.namespace.path === '' ? {} : { namespace_path: entry.namespace.path }),
      num_uses: entry.numUses,
      orphan: entry.parent === '',
      path: entry.path,
      ...(entry.periodSeconds > 0 ? { period: entry.periodSeconds } : {}),
      policies: entry.policies,
      renewable: ends && entry.renewable,
      ...(entry.role === '' ? {} : { role: entry.role }),
      ttl: ends ? Math.max(0, Math.ceil((entry.expiresMs - nowMs) / 1000)) : 0,
      type: entry.type,
    },
  };
}

export function lookupPaths(deps: TokenEngineDeps): readonly PathDeclaration<null>[] {
  const byText = async (text: string, context: RequestContext): Promise<Response> => {
    const wanted = text === '' ? ownToken(context) : text;
    const entry = await findToken(deps.tokens(), context, wanted);
    if (!entry) throw new RequestError('permission-denied', 'bad token');
    return describe(deps, entry, wanted, context);
  };
  const lookup = {
    summary: 'A token',
    runs: 'any' as const,
    handler: (_: null, { token }: { readonly token: string }, context: RequestContext) => byText(token, context),
  };
  const lookupSelf = {
    summary: 'The own token',
    runs: 'any' as const,
    handler: (_: null, _fields: object, context: RequestContext) => byText('', context),
  };
  return [
    definePath('lookup', {
      fields: { token: field.string('The token.', { default: '', secret: true }) },
      help: { synopsis: 'Shows what a token is.' },
      read: lookup,
      update: lookup,
    }),
    definePath('lookup-self', {
      fields: { token: field.string('Not used: it is the own token that is shown.', { secret: true }) },
      help: { synopsis: 'Shows what the own token is.' },
      read: lookupSelf,
      update: lookupSelf,
    }),
    definePath('lookup-accessor', {
      fields: { accessor: field.string('Accessor of the token.', { default: '' }) },
      help: { synopsis: 'Shows what a token is, by its accessor.' },
      update: {
        summary: 'A token',
        runs: 'any',
        handler: async (_: null, { accessor }, context) =>
          describe(deps, await findByAccessor(deps.tokens(), accessor), '', context),
      },
    }),
    definePath('accessors', {
      fields: {},
      help: { synopsis: 'Lists the accessors of all tokens.' },
      sudo: true,
      list: {
        summary: 'Accessors',
        handler: async (): Promise<Response> => ({ data: { keys: await deps.tokens().accessors() } }),
      },
    }),
  ];
}

/** @throws RequestError `bad-request` for batch tokens, which nothing can change. */
export function refuseBatch(entry: TokenEntry, what: 'renewed' | 'revoked'): void {
  if (entry.type === 'batch') throw badRequest(`batch tokens cannot be ${what}`);
}
