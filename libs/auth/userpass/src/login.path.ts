import { RequestError, badRequest, definePath, field, inCidrs } from '@coffer/sdk';
import type { Response } from '@coffer/sdk';
import { passwordMatches } from './password.ts';
import { userKey, users } from './user.ts';

export const loginPath = definePath('login/:username', {
  fields: {
    username: field.lowerCaseString('Name of the user.', { default: '', word: true }),
    password: field.string('Password of the user.', { secret: true }),
  },
  help: { synopsis: 'Logs in with a user name and a password.' },
  unauthenticated: true,
  login: true,
  update: {
    summary: 'Log in',
    handler: async (_: null, { username, password }, { view, request }): Promise<Response> => {
      if (!password) throw badRequest('missing password');
      const name = userKey(username);
      const user = await users.get(view, name);
      if (!(await passwordMatches(password, user?.passwordHash)) || !user)
        throw new RequestError('invalid-credentials');
      const { parameters } = user;
      if (parameters.boundCidrs.length > 0 && !inCidrs(request.connection.remoteAddress, parameters.boundCidrs)) {
        throw new RequestError('permission-denied');
      }
      return {
        login: {
          displayName: name,
          policies: parameters.policies,
          metadata: { username: name },
          alias: { name },
          parameters,
          renewable: true,
          internal: { username: name },
        },
      };
    },
  },
});
