import { Secret, equalInConstantTime } from '@coffer/kernel';
import { RequestError, badRequest, definePath, field, inCidrs } from '@coffer/sdk';
import type { PathDeclaration, RequestContext, Response } from '@coffer/sdk';
import { coreContext } from '@coffer/core-api';
import type { PolicyStore, TokenStore } from '@coffer/core-api';
import type { WrappingService } from './wrapping-service.ts';

export interface WrappingPathDeps {
  readonly wrapping: () => WrappingService;
  readonly tokens: () => Pick<TokenStore, 'lookup' | 'spendUse'>;
  readonly policies: () => Pick<PolicyStore, 'aclFor'>;
}

const tokenField = {
  token: field.string("The wrapping token; the caller's own token if left out.", { default: '', secret: true }),
};

/** A token that was sent, but empty, is not the same as none: a variable of a script was not set. @throws RequestError */
function refuseEmpty(context: RequestContext): void {
  if (context.request.data['token'] === '')
    throw new RequestError('permission-denied', 'error validating wrapping token: empty token in request body');
}

/**
 * Who may take a wrapped answer: who has the wrapping token as its own, or whoever's rules grant the path.
 *
 * @returns the wrapping token
 * @throws RequestError `permission-denied`
 */
async function wrappingToken(deps: WrappingPathDeps, sent: string, context: RequestContext): Promise<Secret<string>> {
  refuseEmpty(context);
  const { request } = context;
  const own = request.token;
  if (sent === '') {
    if (!own) throw new RequestError('missing-token', 'error validating wrapping token: token is empty');
    return own;
  }
  const wrapping = new Secret(sent);
  // Whoever has a wrapping token may learn that it is good (see lookup), so that is told before who asks.
  await deps.wrapping().describe(coreContext(context).transaction, wrapping);
  if (!own) throw new RequestError('missing-token');
  if (equalInConstantTime(own.reveal(), sent)) return own;
  const entry = await deps.tokens().lookup(own);
  if (!entry) throw new RequestError('invalid-token');
  if (entry.boundCidrs.length > 0 && !inCidrs(request.connection.remoteAddress, entry.boundCidrs))
    throw new RequestError('permission-denied');
  const acl = await deps.policies().aclFor(entry);
  const decision = acl.decide(request.namespace, request.path, 'update', request.data, request.wrapTtlSeconds);
  if (!decision.allowed) throw new RequestError('permission-denied');
  // The path is open to wrapping tokens that are spent already, so the pipeline counts no use here.
  const { allowed } = await deps.tokens().spendUse(coreContext(context).transaction, entry);
  if (!allowed) throw new RequestError('invalid-token');
  return wrapping;
}

function lookupHandler(deps: WrappingPathDeps) {
  return async (_: unknown, { token }: { readonly token: string }, context: RequestContext): Promise<Response> => {
    refuseEmpty(context);
    const wanted = token === '' ? context.request.token : new Secret(token);
    if (!wanted) throw badRequest('missing "token" value in input');
    const wrapped = await deps.wrapping().describe(coreContext(context).transaction, wanted);
    return {
      data: {
        creation_path: wrapped.creationPath,
        creation_time: new Date(wrapped.createdMs).toISOString(),
        creation_ttl: wrapped.ttlSeconds,
      },
    };
  };
}

/** `sys/wrapping/…`. */
export function wrappingPaths(deps: WrappingPathDeps): readonly PathDeclaration<unknown>[] {
  const lookup = lookupHandler(deps);
  return [
    definePath('wrapping/wrap', {
      fields: {},
      help: { synopsis: 'Answers what was sent, wrapped.' },
      arbitraryFields: true,
      update: {
        summary: 'Wrap data',
        handler: (_: unknown, _fields, { request }): Response => {
          if (request.wrapTtlSeconds === undefined || request.wrapTtlSeconds <= 0)
            throw badRequest('endpoint requires response wrapping to be used');
          return { data: request.data };
        },
      },
    }),
    definePath('wrapping/unwrap', {
      fields: tokenField,
      help: { synopsis: 'Gives out what a wrapping token stands for, once.' },
      unauthenticated: true,
      update: {
        summary: 'Unwrap',
        handler: async (_: unknown, { token }, context): Promise<Response> =>
          deps.wrapping().unwrap(coreContext(context).transaction, await wrappingToken(deps, token, context)),
      },
    }),
    definePath('wrapping/rewrap', {
      fields: tokenField,
      help: { synopsis: 'Replaces a wrapping token by a new one.' },
      unauthenticated: true,
      neverWrapped: true,
      update: {
        summary: 'Rewrap',
        handler: async (_: unknown, { token }, context): Promise<Response> => {
          const wrapping = await wrappingToken(deps, token, context);
          const own = context.request.token;
          if (own && equalInConstantTime(own.reveal(), wrapping.reveal())) {
            await deps.wrapping().describe(coreContext(context).transaction, wrapping);
            // The policy of a wrapping token lets it be unwrapped, and no more.
            throw new RequestError('permission-denied');
          }
          const wrapInfo = await deps.wrapping().rewrap(coreContext(context).transaction, wrapping, context.request);
          return { wrapInfo };
        },
      },
    }),
    definePath('wrapping/lookup', {
      fields: tokenField,
      help: { synopsis: 'Tells when and where an answer was wrapped. The token stays good.' },
      unauthenticated: true,
      read: { summary: 'Of the own token', handler: lookup },
      update: { summary: 'Of a wrapping token', runs: 'any', handler: lookup },
    }),
  ];
}
