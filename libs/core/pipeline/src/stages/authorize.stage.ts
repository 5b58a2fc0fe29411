import { whenReady } from '@coffer/kernel';
import type { MaybePromise } from '@coffer/kernel';
import { RequestError } from '@coffer/sdk';
import type { Operation, PathDeclaration } from '@coffer/sdk';
import type { Decision } from '@coffer/core-api';
import type { CoreServices } from '../node-status.ts';
import type { Run } from '../run.ts';
import { contextFor } from './serve.stage.ts';

/** As Vault words what policies refuse; clients show it line by line. */
const DENIED = '1 error occurred:\n\t* permission denied\n\n';

/**
 * Tells `create` from `update`, then asks the caller's rules. A path that is not there is judged, too: only who may go
 * there learns that it is missing.
 *
 * @throws RequestError `permission-denied`
 */
export function authorize(run: Run, services: CoreServices): MaybePromise<void> {
  if (run.path?.unauthenticated) return;
  return whenReady(whichWrite(run, services), (operation) => {
    run.operation = operation;
    const { acl, request } = run;
    if (!acl) throw new RequestError('permission-denied', DENIED);
    const judge = (asked: Operation): Decision =>
      acl.decide(request.namespace, request.path, asked, request.data, request.wrapTtlSeconds);
    let decision = judge(operation);
    // Without its fields nobody can tell whether the thing exists: either right is enough to hear what is wrong.
    if (!decision.allowed && run.mistyped && operation === 'update' && run.path?.exists) decision = judge('create');
    run.decision = decision;
    if (!decision.allowed) throw new RequestError('permission-denied', DENIED);
    if (run.path && needsSudo(run.path, operation) && !decision.sudo && !decision.root)
      throw new RequestError('permission-denied', DENIED);
  });
}

function whichWrite(run: Run, services: CoreServices): MaybePromise<Operation> {
  const { request, path, route, fields } = run;
  const exists = path?.exists;
  if (request.operation !== 'update' || !exists || !route || !fields) return request.operation;
  const asked = services.transactor.run((transaction) => {
    const context = contextFor(run, transaction, []);
    return context ? exists(route.mount.engine, fields, context) : true;
  });
  return whenReady(asked, (found) => (found ? 'update' : 'create'));
}

function needsSudo(path: PathDeclaration<unknown>, operation: Operation): boolean {
  if (path.sudo === undefined || typeof path.sudo === 'boolean') return path.sudo ?? false;
  return path.sudo.includes(operation) || (operation === 'create' && path.sudo.includes('update'));
}
