import { isPromise, whenReady } from '@coffer/kernel';
import type { MaybePromise } from '@coffer/kernel';
import { RequestError } from '@coffer/sdk';
import type { Caller, LoginAuth, Request, Response } from '@coffer/sdk';
import type { CoreRequestContext, LiveMount, TokenEntry } from '@coffer/core-api';
import type { Transaction } from '@coffer/storage';
import { MountView } from '@coffer/core-api';
import type { Outcome } from '../outcome.ts';
import type { CoreServices } from '../node-status.ts';
import type { Run } from '../run.ts';

type Answered = Outcome & { readonly kind: 'answered' };

/** What a handler sees of this run, on a transaction. */
export function contextFor(run: Run, transaction: Transaction, warnings: string[]): CoreRequestContext | undefined {
  const { route, token, acl } = run;
  if (!route) return undefined;
  const { mount } = route;
  return {
    request: requestFor(run.request, mount),
    operation: run.operation,
    view: new MountView(transaction, mount.storagePrefix),
    relativePath: route.relativePath,
    nowMs: run.nowMs,
    warn: (text) => void warnings.push(text),
    transaction,
    mount,
    ...(token ? { token, caller: callerOf(token, mount) } : {}),
    ...(acl ? { acl } : {}),
  };
}

/** An engine sees no client token and only those headers that its mount lets through (CVE-2026-4525). */
function requestFor(request: Request, mount: LiveMount): Request {
  if (mount.entry.type === 'system' || mount.entry.type === 'token') return request;
  const passed = mount.entry.tuning.passthroughRequestHeaders;
  const headers: Record<string, string | readonly string[] | undefined> = {};
  for (const name of passed ?? []) {
    const lower = name.toLowerCase();
    if (lower !== 'authorization' && lower !== 'x-vault-token' && Object.hasOwn(request.headers, lower))
      headers[lower] = request.headers[lower];
  }
  const { token, ...rest } = request;
  void token;
  return { ...rest, headers };
}

function callerOf(token: TokenEntry, mount: LiveMount): Caller {
  return {
    accessor: token.accessor,
    displayName: token.displayName,
    entityId: token.entityId,
    policies: token.policies,
    metadata: token.metadata ?? {},
    tokenType: token.type,
    // Cubbyholes are named for the token itself: its salted id is a secret-keyed hash already.
    saltedTokenId: mount.entry.type === 'cubbyhole' ? token.saltedId : token.accessor,
    numUses: token.numUses,
    orphan: token.parent === '',
  };
}

/**
 * Runs the handler and all that its answer creates in one transaction: use count, login token, lease, wrapping. A crash
 * leaves all or nothing; a conflict runs it again. A mount that is starting is waited for.
 *
 * @throws RequestError as the handler, and `gateway-timeout` where the start takes longer than the request may
 */
export function serve(run: Run, services: CoreServices): MaybePromise<Answered> {
  const starting = run.route?.mount.starting;
  if (starting) return untilStarted(starting, run.request.signal).then(() => serveNow(run, services));
  return serveNow(run, services);
}

function untilStarted(starting: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const giveUp = (): void => reject(new RequestError('gateway-timeout'));
    if (signal.aborted) return giveUp();
    signal.addEventListener('abort', giveUp, { once: true });
    void starting.then(() => {
      signal.removeEventListener('abort', giveUp);
      resolve();
    });
  });
}

function serveNow(run: Run, services: CoreServices): MaybePromise<Answered> {
  let lastUse: TokenEntry | undefined;
  const answered = services.transactor.run((transaction): MaybePromise<Answered> => {
    lastUse = undefined;
    return whenReady(spendUse(run, services, transaction), (last) => {
      if (last) lastUse = run.token;
      return handle(run, services, transaction);
    });
  });
  return whenReady(answered, (outcome) => {
    if (!lastUse) return afterwards(run, outcome);
    return services.tokens.revokeTree(lastUse.saltedId).then(() => afterwards(run, outcome));
  });
}

/** What the handler left to do once its batch was committed. */
function afterwards(run: Run, outcome: Answered): MaybePromise<Answered> {
  const work = outcome.response?.afterCommit;
  if (!work) return outcome;
  run.afterCommit = true;
  return work().then((response) => ({
    ...outcome,
    response,
    warnings: [...outcome.warnings, ...(response?.warnings ?? [])],
  }));
}

/** A token with a use limit pays for requests that its policies refuse, too; the last one ends it. */
export async function spendUseOfRefused(run: Run, services: CoreServices): Promise<void> {
  const { token } = run;
  if (!token || token.numUses === 0) return;
  const last = await services.transactor.run((transaction) => spendUse(run, services, transaction));
  if (last) await services.tokens.revokeTree(token.saltedId);
}

function spendUse(run: Run, services: CoreServices, transaction: Transaction): MaybePromise<boolean> {
  const { token } = run;
  if (!token || token.numUses === 0 || run.path?.spendsNoUse) return false;
  return whenReady(services.tokens.spendUse(transaction, token), ({ allowed, last }) => {
    if (!allowed) throw new RequestError('invalid-token');
    return last;
  });
}

function handle(run: Run, services: CoreServices, transaction: Transaction): MaybePromise<Answered> {
  const { route, declared, fields } = run;
  const warnings: string[] = [];
  const context = contextFor(run, transaction, warnings);
  if (!route || !declared || !fields || !context) throw new RequestError('unsupported-path');
  return whenReady(declared.handler(route.mount.engine, fields, context), (response) => {
    if (response?.warnings) warnings.push(...response.warnings);
    // As in Vault: what is wrong with the fields is told beside an answer only.
    if (response) warnings.unshift(...run.warnings);
    const plain = !response || (!response.login && !response.secret && run.request.wrapTtlSeconds === undefined);
    if (plain) return answer(run, response, warnings);
    return finish(run, services, transaction, response, warnings);
  });
}

function answer(run: Run, response: Response | undefined, warnings: readonly string[]): Answered {
  return {
    kind: 'answered',
    response,
    warnings,
    mountType: run.route?.mount.entry.type ?? '',
    ...(response?.auth ? { auth: response.auth } : {}),
  };
}

/** Token, lease and wrapping of an answer that asks for them. */
async function finish(
  run: Run,
  services: CoreServices,
  transaction: Transaction,
  response: Response,
  warnings: string[],
): Promise<Answered> {
  let complete: Response = response;
  if (response.login) complete = await logIn(run, services, transaction, response, response.login, warnings);
  else if (response.secret) complete = lease(run, services, transaction, response, warnings);
  const wrapTtl = run.request.wrapTtlSeconds;
  const wrappable =
    wrapTtl !== undefined && !run.path?.neverWrapped && (complete.data !== undefined || complete.auth !== undefined);
  if (!wrappable || (complete.status ?? 200) >= 400) return answer(run, complete, warnings);
  const whole: Response = { ...complete, warnings };
  const wrapInfo = services.wrapping.wrap(
    transaction,
    whole,
    run.request,
    wrapTtl,
    complete.auth?.accessor ?? complete.wrappedAccessor,
  );
  return answer(run, { wrapInfo: isPromise(wrapInfo) ? await wrapInfo : wrapInfo }, []);
}

async function logIn(
  run: Run,
  services: CoreServices,
  transaction: Transaction,
  response: Response,
  login: LoginAuth,
  warnings: string[],
): Promise<Response> {
  const mount = run.route?.mount;
  if (mount && run.loginAlias !== undefined) {
    const locked = await services.lockout.isLockedIn(transaction, mount.entry, run.loginAlias);
    if (locked) throw new RequestError('permission-denied');
  }
  if (!mount || !run.path?.login) throw new RequestError('internal', 'a path that is no login answered with one');
  const { accessor, path, namespace, type } = mount.entry;
  const { path: requestPath, connection } = run.request;
  const { auth, warnings: told } = await services.tokens.login(
    transaction,
    login,
    { accessor, path, namespace, type },
    { path: requestPath, remoteAddress: connection.remoteAddress },
  );
  warnings.push(...told);
  const { login: _, ...rest } = response;
  void _;
  return { ...rest, auth };
}

function lease(
  run: Run,
  services: CoreServices,
  transaction: Transaction,
  response: Response,
  warnings: string[],
): Response {
  const { route, token } = run;
  if (!route || !response.secret) return response;
  const registered = services.leases.registerSecret(transaction, response.secret, {
    namespace: run.request.namespace,
    mountAccessor: route.mount.entry.accessor,
    path: run.request.path,
    saltedTokenId: token?.saltedId ?? '',
    data: response.data ?? {},
    tokenExpiresMs: token?.expiresMs ?? 0,
    ...(token ? { tokenType: token.type } : {}),
  });
  warnings.push(...registered.warnings);
  const { secret: _, ...rest } = response;
  void _;
  return {
    ...rest,
    lease: { id: registered.leaseId, durationSeconds: registered.ttlSeconds, renewable: registered.renewable },
  };
}
