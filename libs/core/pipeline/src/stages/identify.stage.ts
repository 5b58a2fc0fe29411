import { whenReady } from '@coffer/kernel';
import type { MaybePromise } from '@coffer/kernel';
import { RequestError, inCidrs } from '@coffer/sdk';
import type { Run } from '../run.ts';
import type { CoreServices } from '../node-status.ts';

/** Who asks: one look-up by the token's salted id, then the compiled rules. @throws RequestError 403 */
export function identify(run: Run, services: CoreServices): MaybePromise<void> {
  if (run.path?.unauthenticated) return;
  const { token } = run.request;
  if (!token) throw new RequestError('missing-token');
  return whenReady(services.tokens.lookup(token), (entry) => {
    if (!entry) throw new RequestError('invalid-token');
    if (entry.boundCidrs.length > 0 && !inCidrs(run.request.connection.remoteAddress, entry.boundCidrs)) {
      throw new RequestError('permission-denied');
    }
    run.token = entry;
    return whenReady(services.policies.aclFor(entry), (acl) => {
      run.acl = acl;
    });
  });
}
