/**
 * One token as a sequential object, for the linearizability checker: good from its creation to its revocation.
 *
 * Inputs: `{ kind: 'create' | 'use' | 'revoke', key }`. Outputs: `{ kind: 'created' | 'taken' | 'refused' | 'revoked' }`.
 */
export const tokenModel = {
  name: 'token',
  initial: () => false,
  step(live, { kind }, output) {
    switch (kind) {
      case 'create':
        return true;
      case 'revoke':
        return false;
      case 'use':
        return output === undefined || live === (output.kind === 'taken') ? live : undefined;
      default:
        throw new Error(`no such call: ${kind}`);
    }
  },
  key: (live) => (live ? 'good' : 'no good'),
  partition: ({ key }) => key,
  readOnly: ({ kind }) => kind === 'use',
  describe: ({ kind, key }, output) => `${kind} ${key} -> ${output?.kind ?? '?'}`,
};
