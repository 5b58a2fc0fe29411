import { RequestError, badRequest, definePath, field, inCidrs } from '@coffer/sdk';
import type { RequestContext, Response } from '@coffer/sdk';
import type { AppRole } from './approle.ts';
import { secretIds } from './role.ts';
import type { Role, SecretId } from './role.ts';

/** One text for all that may be wrong with the two ids. */
const refusal = (): RequestError => new RequestError('invalid-credentials', 'invalid role or secret ID');

export const loginPath = definePath('login', {
  fields: {
    role_id: field.string('Identifier of the role.'),
    secret_id: field.string('A secret id of the role.', { secret: true }),
  },
  help: { synopsis: 'Logs in with a role id and a secret id.' },
  unauthenticated: true,
  login: true,
  update: {
    summary: 'Log in',
    handler: async (engine: AppRole, fields, context): Promise<Response> => {
      if (!fields.role_id) throw badRequest('missing role_id');
      const role = await engine.roleById(context.view, fields.role_id.trim());
      if (!role) throw refusal();
      const secretId = role.bindSecretId ? await useSecretId(engine, role, fields.secret_id, context) : undefined;
      const address = context.request.connection.remoteAddress;
      if (role.secretIdBoundCidrs?.length && !inCidrs(address, role.secretIdBoundCidrs))
        throw badRequest('source address is not authorized by the CIDR restrictions on the role');
      if (role.parameters.boundCidrs.length > 0 && !inCidrs(address, role.parameters.boundCidrs))
        throw new RequestError('permission-denied');
      const boundCidrs =
        secretId && secretId.tokenBoundCidrs.length > 0 ? secretId.tokenBoundCidrs : role.parameters.boundCidrs;
      return {
        login: {
          displayName: '',
          policies: role.parameters.policies,
          metadata: { ...secretId?.metadata, role_name: role.name },
          alias: { name: role.roleId, metadata: secretId?.metadata ?? {} },
          parameters: { ...role.parameters, boundCidrs },
          renewable: true,
          internal: { role_name: role.name },
        },
      };
    },
  },
});

/** Checks a secret id and spends one of its uses, in the login's own batch: two logins cannot share the last one. */
async function useSecretId(
  engine: AppRole,
  role: Role,
  text: string | undefined,
  { view, request }: RequestContext,
): Promise<SecretId> {
  if (!text) throw badRequest('missing secret_id');
  const secretId = await engine.secretId(view, role, text.trim());
  if (!secretId) throw refusal();
  if (secretId.cidrList.length > 0 && !inCidrs(request.connection.remoteAddress, secretId.cidrList)) {
    throw badRequest('source address is not authorized through CIDR restrictions on the secret ID');
  }
  const name = engine.secretIdName(role, text.trim());
  if (secretId.numUses === 1) engine.destroy(view, name, secretId);
  else if (secretId.numUses > 1)
    secretIds.put(view, name, { ...secretId, numUses: secretId.numUses - 1, updatedMs: engine.mount.clock.nowMs() });
  return secretId;
}
