import type { CoreServices } from '../node-status.ts';
import type { Run } from '../run.ts';
import { RequestError } from '@coffer/sdk';

/** Whether this login would be of a user who is locked out. @throws RequestError `permission-denied` */
export async function refuseLocked(run: Run, services: CoreServices): Promise<void> {
  const { route, path, fields } = run;
  if (!path?.login || !route?.mount.type.loginAlias || !fields) return;
  const { mount, relativePath } = route;
  const alias = await mount.type.loginAlias?.(mount.engine, fields, relativePath, mount.context.view);
  if (alias === undefined) return;
  run.loginAlias = alias;
  if (await services.lockout.isLocked(mount.entry, alias)) throw new RequestError('permission-denied');
}

/** Counts how a login ended. */
export async function countLogin(run: Run, services: CoreServices, failure: RequestError | undefined): Promise<void> {
  const { route, loginAlias } = run;
  if (!route || loginAlias === undefined) return;
  if (!failure) services.lockout.succeeded(route.mount.entry, loginAlias);
  else if (failure.code === 'invalid-credentials') await services.lockout.failed(route.mount.entry, loginAlias);
}
