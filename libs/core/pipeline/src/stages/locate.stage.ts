import { RequestError, coerceFields } from '@coffer/sdk';
import type { ListenerOpening, Operation, Request } from '@coffer/sdk';
import type { Run } from '../run.ts';
import { StorageError } from '@coffer/storage';
import type { NodeStatus } from '../node-status.ts';

/**
 * Finds mount, path and operation, and types the fields. What it does not find is told only after the caller is known
 * (`refuse-unknown`), so that a stranger learns nothing of what is mounted.
 */
export function locate(run: Run, node: NodeStatus): void {
  const { request } = run;
  if (node.replacing?.()) throw new StorageError('epoch-lost', 'the state is being replaced; nothing was done');
  const services = node.services();
  if (services) run.services = services;
  const route = (services?.router ?? node.sealedRouter).route(request.namespace, request.path);
  if (!route) return;
  run.route = route;
  if (!route.path) return;
  run.path = route.path;
  const declared = route.path.operations[declaredOperation(request.operation)];
  if (declared && isOpened(route.path.openedBy, request)) run.declared = declared;
}

function isOpened(opening: ListenerOpening | undefined, { connection }: Request): boolean {
  return opening === undefined || connection.opens?.includes(opening) === true;
}

/** Types the fields, once it is clear that this node serves the request. @throws RequestError `bad-request` */
export function typeFields(run: Run): void {
  const { path, route, request } = run;
  if (!path || !route) return;
  const { values, warnings } = coerceFields(path.fields, route.captures, request.data, path.arbitraryFields ?? false);
  run.fields = values;
  run.warnings.push(...warnings);
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
