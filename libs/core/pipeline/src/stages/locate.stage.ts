import type { Router } from '@coffer/core-api';
import { RequestError, badRequest, coerceFields } from '@coffer/sdk';
import type { ListenerOpening, Operation, Request } from '@coffer/sdk';
import type { Run } from '../run.ts';
import { StorageError } from '@coffer/storage';
import type { NodeStatus } from '../node-status.ts';

/**
 * Finds mount, path and operation, and types the fields. What it does not find is told only after the caller is known
 * (`refuse-unknown`), so that a stranger learns nothing of what is mounted.
 *
 * @throws RequestError `unsupported-operation` for a list of what is open to all
 */
export function locate(run: Run, node: NodeStatus): void {
  const { request } = run;
  if (node.replacing?.()) throw new StorageError('epoch-lost', 'the state is being replaced; nothing was done');
  const services = node.services();
  if (services) run.services = services;
  const router = services?.router ?? node.sealedRouter;
  const route = router.route(request.namespace, request.path);
  if (!route) return;
  run.route = route;
  if (!route.path) {
    if (request.operation === 'list' || request.operation === 'scan') refuseListOfOpenPath(request, router);
    return;
  }
  run.path = route.path;
  const declared = route.path.operations[declaredOperation(request.operation)];
  if (declared && isOpened(route.path.openedBy, request)) run.declared = declared;
}

function isOpened(opening: ListenerOpening | undefined, { connection }: Request): boolean {
  return opening === undefined || connection.opens?.includes(opening) === true;
}

/** What every node tells anybody (health, seal, init) is no folder, and says so before it is asked who wants to know. */
function refuseListOfOpenPath({ namespace, path }: Request, router: Router): void {
  const leaf = router.route(namespace, path.slice(0, -1))?.path;
  if (leaf?.whileSealed && leaf.unauthenticated) throw new RequestError('unsupported-operation');
}

/** Types the fields, once it is clear that this node serves the request. @throws RequestError `bad-request` */
export function typeFields(run: Run): void {
  const { path, route, request } = run;
  if (!path || !route) return;
  const { values, warnings } = coerceFields(path.fields, route.captures, request.data, path.arbitraryFields ?? false);
  run.fields = values;
  run.warnings.push(...warnings);
}

/** As `typeFields`, but keeps what is wrong until it is known whether the caller may hear of it. */
export function tryTypeFields(run: Run): void {
  try {
    typeFields(run);
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    run.mistyped = error;
  }
}

/**
 * Whether an entry below the folder was meant or the folder itself, nobody can tell: so nothing is written.
 *
 * @throws RequestError `bad-request`
 */
export function refuseWriteToFolder({ operation, path }: Request): void {
  if ((operation === 'update' || operation === 'patch') && path.endsWith('/'))
    throw badRequest("cannot write to a path ending in '/'");
}

/** @throws RequestError for a mount, path or operation that is not there */
export function refuseUnknown(run: Run): void {
  const { request, route } = run;
  if (!route) throw new RequestError('no-route', `no handler for route "${request.path}". route entry not found.`);
  if (route.mount.entry.tainted)
    throw new RequestError('no-route', `no handler for route "${request.path}". route entry is tainted.`);
  if (route.mount.unavailable !== undefined) throw new RequestError('internal', route.mount.unavailable);
  if (!run.path) throw new RequestError('unsupported-path');
  if (!run.declared) throw new RequestError('unsupported-operation');
}

/** Paths declare `update` for both. */
function declaredOperation(operation: Operation): Operation {
  return operation === 'create' ? 'update' : operation;
}
