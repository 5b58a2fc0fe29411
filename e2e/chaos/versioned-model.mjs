/**
 * A versioned key-value store (KV version 2) as a sequential object, for the linearizability checker. The version numbers
 * in the answers leave little freedom: a write that was lost or done twice cannot be explained away.
 *
 * State: `version` (0: nothing was written yet) and `value`, undefined where the newest version is deleted.
 * Inputs: `{ kind: 'read' | 'delete', path }`, `{ kind: 'write', path, value, cas? }`.
 * Outputs: `{ kind: 'found', version, value }`, `{ kind: 'missing' }`, `{ kind: 'written', version }`,
 * `{ kind: 'mismatch' }`, `{ kind: 'deleted' }`.
 */
export const versionedModel = {
  name: 'versioned',
  initial: () => ({ version: 0, value: undefined }),
  step(state, input, output) {
    switch (input.kind) {
      case 'read':
        if (output === undefined) return state;
        if (output.kind === 'missing') return state.version === 0 ? state : undefined;
        return output.kind === 'found' && output.version === state.version && output.value === state.value
          ? state
          : undefined;
      case 'write': {
        if (input.cas !== undefined && input.cas !== state.version)
          return output === undefined || output.kind === 'mismatch' ? state : undefined;
        const version = state.version + 1;
        if (output !== undefined && (output.kind !== 'written' || output.version !== version)) return undefined;
        return { version, value: input.value };
      }
      case 'delete':
        if (output !== undefined && output.kind !== 'deleted') return undefined;
        return { version: state.version, value: undefined };
      default:
        throw new Error(`no such call: ${input.kind}`);
    }
  },
  key: ({ version, value }) => `${version}:${value ?? ''}`,
  partition: ({ path }) => path,
  readOnly: ({ kind }) => kind === 'read',
  describe(input, output) {
    const call = `${input.kind} ${input.path}${input.kind === 'write' ? ` ${input.value} cas=${input.cas ?? '-'}` : ''}`;
    if (output === undefined) return `${call} -> ?`;
    const detail = output.version === undefined ? '' : ` version ${output.version} ${output.value ?? ''}`;
    return `${call} -> ${output.kind}${detail}`;
  },
};
