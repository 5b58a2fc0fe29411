import type { EngineType, LoginAuth, LoginRenewal, RequestContext } from '@coffer/sdk';
import { AuthMethod } from '@coffer/sdk-nest';
import { loginPath } from './login.path.ts';
import { userKey, users } from './user.ts';
import { userPasswordPath, userPath, userPoliciesPath, usersPath } from './users.path.ts';

/** Users with passwords, kept here. */
@AuthMethod({ names: ['userpass'] })
export class UserpassMethod implements EngineType<null> {
  readonly help = {
    synopsis: 'Logs in with a user name and a password.',
    description: 'Users are made under users/; logins go to login/<name>. Names do not differ by case.',
  };
  readonly paths = [usersPath, userPath, userPasswordPath, userPoliciesPath, loginPath];

  create(): null {
    return null;
  }

  /** Of a user who is gone nothing is renewed, without a word, as in Vault. */
  async renewLogin(
    _: null,
    auth: Pick<LoginAuth, 'internal'>,
    { view }: RequestContext,
  ): Promise<LoginRenewal | undefined> {
    const name = auth.internal?.username;
    const user = typeof name === 'string' ? await users.get(view, name) : undefined;
    return user && { parameters: user.parameters, policies: user.parameters.policies };
  }

  loginAlias(_: null, data: Readonly<Record<string, unknown>>): string | undefined {
    return typeof data.username === 'string' && data.username !== '' ? userKey(data.username) : undefined;
  }
}
