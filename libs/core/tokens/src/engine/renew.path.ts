import { RequestError, badRequest, definePath, field, policyNames } from '@coffer/sdk';
import type { PathDeclaration, RequestContext, Response } from '@coffer/sdk';
import { MountView, coreContext, decideTtl } from '@coffer/core-api';
import type { LiveMount, TokenEntry } from '@coffer/core-api';
import { authOf } from '../token-auth.ts';
import type { TokenEngineDeps } from './deps.ts';
import { findByAccessor, findToken, ownToken } from './find-token.ts';
import { refuseBatch } from './lookup.path.ts';
import { roles } from './role.ts';

interface RenewalTerms {
  readonly wantedTtlSeconds: number;
  readonly wantedMaxTtlSeconds: number;
  readonly periodSeconds: number;
  readonly explicitMaxTtlSeconds: number;
}

/**
 * What made the token decides anew: a role by what it says now, an auth method by asking whether it may be at all. Undefined:
 * the token stays as it is.
 */
async function termsOf(
  entry: TokenEntry,
  mount: LiveMount,
  context: RequestContext,
): Promise<RenewalTerms | undefined> {
  const lastTtlSeconds = Math.round((entry.expiresMs - (entry.lastRenewedMs || entry.createdMs)) / 1000);
  const own: RenewalTerms = {
    wantedTtlSeconds: lastTtlSeconds,
    wantedMaxTtlSeconds: 0,
    periodSeconds: entry.periodSeconds,
    explicitMaxTtlSeconds: entry.explicitMaxTtlSeconds,
  };
  if (mount.entry.type === 'token') {
    if (entry.role === '') return own;
    const role = await roles.get(context.view, entry.role);
    if (!role) throw badRequest(`original token role "${entry.role}" could not be found, not renewing`);
    // A limit of the token's own stays, whatever the role says now.
    const limits = [role.parameters.explicitMaxTtlSeconds, entry.explicitMaxTtlSeconds].filter((limit) => limit > 0);
    return {
      ...own,
      periodSeconds: role.parameters.periodSeconds,
      explicitMaxTtlSeconds: limits.length > 0 ? Math.min(...limits) : 0,
    };
  }
  const { renewLogin } = mount.type;
  if (!renewLogin) return own;
  const renewal = await renewLogin.call(
    mount.type,
    mount.engine,
    {
      policies: entry.policies,
      metadata: entry.metadata ?? {},
      ...(entry.internal ? { internal: entry.internal } : {}),
    },
    { ...context, view: new MountView(coreContext(context).transaction, mount.storagePrefix), relativePath: '' },
  );
  if (!renewal) return undefined;
  const { parameters, policies } = renewal;
  if (policies !== undefined) {
    const now = policyNames(policies).filter((name) => name !== 'default');
    const then = entry.policies.filter((name) => name !== 'default');
    if (now.join('\n') !== then.join('\n')) throw badRequest('policies have changed, not renewing');
  }
  return {
    wantedTtlSeconds: parameters.ttlSeconds,
    wantedMaxTtlSeconds: parameters.maxTtlSeconds,
    periodSeconds: parameters.periodSeconds,
    explicitMaxTtlSeconds: entry.explicitMaxTtlSeconds,
  };
}

async function renew(
  deps: TokenEngineDeps,
  entry: TokenEntry,
  text: string,
  incrementSeconds: number,
  context: RequestContext,
): Promise<Response | undefined> {
  refuseBatch(entry, 'renewed');
  if (!entry.renewable || entry.expiresMs === 0) throw badRequest('lease is not renewable');
  const mount = deps.router().mount(entry.namespace, entry.path);
  if (!mount) throw new RequestError('bad-request', 'the auth method of the token is no longer mounted');
  // As for all that a mount on its way out is asked for: its tokens end with it.
  if (mount.entry.tainted)
    throw new RequestError('no-route', `no handler for route "${entry.path}". route entry is tainted.`);
  const terms = await termsOf(entry, mount, context);
  if (!terms) return undefined;
  const { system } = mount.context;
  const decided = decideTtl({
    defaultTtlSeconds: system.defaultLeaseTtlSeconds(),
    maxTtlSeconds: system.maxLeaseTtlSeconds(),
    incrementSeconds,
    ...terms,
    issuedMs: entry.createdMs,
    nowMs: context.nowMs,
  });
  if (decided.ttlSeconds === undefined) throw badRequest('past the max TTL, cannot renew');
  for (const warning of decided.warnings) context.warn(warning);
  const renewed = deps.tokens().extend(coreContext(context).transaction, entry, decided.ttlSeconds);
  const identityPolicies =
    entry.entityId === '' ? [] : await deps.identity().policiesOf(entry.entityId, entry.namespace);
  return { auth: authOf(renewed, text, decided.ttlSeconds, identityPolicies) };
}

const increment = field.duration('For how long from now.', { default: 0 });

export function renewPaths(deps: TokenEngineDeps): readonly PathDeclaration<null>[] {
  const byText = async (text: string, seconds: number, context: RequestContext): Promise<Response | undefined> => {
    if (text === '') throw badRequest('missing token ID');
    const entry = await findToken(deps.tokens(), context, text);
    if (!entry) throw badRequest('token not found');
    return renew(deps, entry, text, seconds, context);
  };
  return [
    definePath('renew', {
      fields: { token: field.string('The token.', { default: '', secret: true }), increment },
      help: { synopsis: 'Renews a token.' },
      update: {
        summary: 'Renew a token',
        handler: (_: null, { token, increment: seconds }, context) => byText(token, seconds, context),
      },
    }),
    definePath('renew-self', {
      fields: { token: field.string('Not used: it is the own token that is renewed.', { secret: true }), increment },
      help: { synopsis: 'Renews the own token.' },
      update: {
        summary: 'Renew the own token',
        handler: (_: null, { increment: seconds }, context) => byText(ownToken(context), seconds, context),
      },
    }),
    definePath('renew-accessor', {
      fields: { accessor: field.string('Accessor of the token.', { default: '' }), increment },
      help: { synopsis: 'Renews a token, by its accessor.' },
      update: {
        summary: 'Renew a token',
        handler: async (_: null, { accessor, increment: seconds }, context): Promise<Response | undefined> => {
          const found = await findByAccessor(deps.tokens(), accessor);
          const entry = await deps.tokens().inTransaction(coreContext(context).transaction, found.saltedId);
          if (!entry) throw badRequest('invalid accessor');
          return renew(deps, entry, '', seconds, context);
        },
      },
    }),
  ];
}
