import { RequestError } from '@coffer/sdk';
import type { EngineType, LoginAuth, LoginRenewal, MountContext, ReadableView, RequestContext } from '@coffer/sdk';
import { AuthMethod } from '@coffer/sdk-nest';
import { AppRole } from './approle.ts';
import { loginPath } from './login.path.ts';
import { roles } from './role.ts';
import { ownFieldPaths, roleIdPath, rolePath, rolesPath } from './roles.path.ts';
import { secretIdPaths } from './secret-ids.path.ts';

/** Machines log in with a role id and a secret id. */
@AuthMethod({ names: ['approle'] })
export class AppRoleMethod implements EngineType<AppRole> {
  readonly help = {
    synopsis: 'Logs machines in with a role id and a secret id.',
    description:
      'A role says which policies its tokens have. Its role id is like a user name, its secret ids are like passwords that can be limited in time, uses and origin.',
  };
  readonly paths = [rolesPath, rolePath, roleIdPath, ...ownFieldPaths, ...secretIdPaths, loginPath];

  create(mount: MountContext): AppRole {
    return new AppRole(mount);
  }

  periodic(engine: AppRole): Promise<void> {
    return engine.tidy();
  }

  /** @throws RequestError where the role is gone */
  async renewLogin(_: AppRole, auth: Pick<LoginAuth, 'internal'>, { view }: RequestContext): Promise<LoginRenewal> {
    const name = auth.internal?.role_name;
    const role = typeof name === 'string' ? await roles.get(view, name) : undefined;
    if (!role) throw new RequestError('bad-request', 'the role that the token was made for no longer exists');
    return { parameters: role.parameters };
  }

  /** Whether there is such a role or not: who tries ids is locked out alike. */
  loginAlias(_: AppRole, data: Readonly<Record<string, unknown>>): string | undefined {
    return typeof data.role_id === 'string' ? data.role_id.trim() || undefined : undefined;
  }

  /** @returns the role of an id; undefined for ids of none */
  async loginRole(
    engine: AppRole,
    data: Readonly<Record<string, unknown>>,
    _path: string,
    view: ReadableView,
  ): Promise<string | undefined> {
    if (typeof data.role_id !== 'string') return undefined;
    return (await engine.roleById(view, data.role_id.trim()))?.name;
  }
}
