/**
 * Several keys as one sequential object, for the linearizability checker: what it explains, it explains for all of them
 * together. For few keys with few calls at a time; `partition` of an input names the object.
 *
 * Inputs: `{ kind: 'get' | 'delete', partition, key }`, `{ kind: 'put', partition, key, value }`.
 * Outputs: `{ kind: 'got', value }` (undefined: nothing there), `{ kind: 'stored' }`.
 */
export const storeModel = {
  name: 'store',
  /** A list of `[key, value]`, sorted. */
  initial: () => [],
  step(state, { kind, key, value }, output) {
    switch (kind) {
      case 'get':
        return output === undefined || output.value === state.find(([each]) => each === key)?.[1] ? state : undefined;
      case 'put':
      case 'delete': {
        const others = state.filter(([each]) => each !== key);
        return kind === 'delete' ? others : [...others, [key, value]].sort(([a], [b]) => (a < b ? -1 : 1));
      }
      default:
        throw new Error(`no such call: ${kind}`);
    }
  },
  key: (state) => state.map(([key, value]) => `${key}=${value}`).join(' '),
  partition: ({ partition }) => partition,
  readOnly: ({ kind }) => kind === 'get',
  describe({ kind, key, value }, output) {
    const call = `${kind} ${key}${kind === 'put' ? ` ${value}` : ''}`;
    if (output === undefined) return `${call} -> ?`;
    return `${call} -> ${output.kind === 'got' ? (output.value ?? 'nothing') : output.kind}`;
  },
};
