import { RequestError, badRequest, policyNames } from '@coffer/sdk';
import type { LoginAuth, NamespaceRef } from '@coffer/sdk';
import { decideTtl } from '@coffer/core-api';
import type { CreatedToken, Identity, LoginOrigin, NewToken, Router, TokenStore } from '@coffer/core-api';
import type { Clock } from '@coffer/kernel';
import type { Transaction } from '@coffer/storage';
import { authOf } from './token-auth.ts';
import { loginTokenType } from './token-type.ts';

interface LoginDeps {
  readonly clock: Clock;
  readonly router: () => Router;
  readonly identity: () => Pick<Identity, 'entityForLogin' | 'policiesOf'>;
}

interface LoginMount {
  readonly accessor: string;
  readonly path: string;
  readonly namespace: NamespaceRef;
  readonly type: string;
}

/** Entity and token of a login, all in its transaction. @throws RequestError 400 for a login that would be root */
export async function logIn(
  tokens: { create(tx: Transaction, token: NewToken): CreatedToken },
  deps: LoginDeps,
  tx: Transaction,
  login: LoginAuth,
  mount: LoginMount,
  from: LoginOrigin,
): ReturnType<TokenStore['login']> {
  const { parameters } = login;
  const live = deps.router().byAccessor(mount.accessor);
  if (!live) throw new RequestError('no-route', 'the auth method is no longer mounted');
  const policies = policyNames(parameters.noDefaultPolicy ? login.policies : [...login.policies, 'default']);
  if (policies.includes('root')) throw badRequest('auth methods cannot create root tokens');
  const entityId = login.alias
    ? await deps.identity().entityForLogin(tx, mount.accessor, mount.type, login.alias, mount.namespace)
    : '';
  const type = loginTokenType(parameters.type, live.entry.tuning.tokenType);
  const batch = type === 'batch';
  const nowMs = deps.clock.nowMs();
  const { system } = live.context;
  const decided = decideTtl({
    defaultTtlSeconds: system.defaultLeaseTtlSeconds(),
    maxTtlSeconds: system.maxLeaseTtlSeconds(),
    wantedTtlSeconds: parameters.ttlSeconds,
    wantedMaxTtlSeconds: parameters.maxTtlSeconds,
    periodSeconds: parameters.periodSeconds,
    explicitMaxTtlSeconds: parameters.explicitMaxTtlSeconds,
    issuedMs: nowMs,
    nowMs,
  });
  if (decided.ttlSeconds === undefined) throw badRequest('the token would end at once');
  const ttlSeconds = Math.min(decided.ttlSeconds, login.ttlSecondsMax ?? Number.POSITIVE_INFINITY);
  const created = tokens.create(tx, {
    namespace: mount.namespace,
    policies,
    path: from.path,
    metadata: login.metadata,
    displayName: displayName(mount.path, login.displayName),
    type,
    ttlSeconds,
    explicitMaxTtlSeconds: batch ? 0 : parameters.explicitMaxTtlSeconds,
    periodSeconds: batch ? 0 : parameters.periodSeconds,
    renewable: login.renewable && !batch,
    numUses: batch ? 0 : parameters.numUses,
    boundCidrs: parameters.strictlyBindIp ? [from.remoteAddress] : parameters.boundCidrs,
    strictlyBindIp: parameters.strictlyBindIp,
    role: '',
    entityId,
    ...(login.internal ? { internal: login.internal } : {}),
  });
  const identityPolicies = entityId === '' ? [] : await deps.identity().policiesOf(entityId, mount.namespace);
  const auth = authOf(created.entry, created.token.reveal(), ttlSeconds, identityPolicies);
  return { auth, warnings: decided.warnings };
}

/** `team/ldap/` and `ann` make `team-ldap-ann`. */
function displayName(mountPath: string, name: string): string {
  const mount = mountPath.replace(/\/$/, '').replaceAll('/', '-');
  return name === '' ? mount : `${mount}-${name}`;
}
