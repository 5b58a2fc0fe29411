import { RequestError } from '@coffer/sdk';
import type { RequestContext } from '@coffer/sdk';
import { coreContext } from '@coffer/core-api';
import type { TokenEntry } from '@coffer/core-api';

/** @throws RequestError `permission-denied` where a path let nobody in */
export function callerOf(context: RequestContext): TokenEntry {
  const { token } = coreContext(context);
  if (!token) throw new RequestError('permission-denied');
  return token;
}

/** Whether the caller is root or has `sudo` on the path that it asked for. */
export function hasSudo(context: RequestContext): boolean {
  const { acl } = coreContext(context);
  const { request, operation } = context;
  if (!acl) return false;
  const { root, sudo } = acl.decide(request.namespace, request.path, operation, request.data, request.wrapTtlSeconds);
  return root || sudo;
}
