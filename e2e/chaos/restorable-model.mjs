/**
 * A sequential object that can be saved and put back, around any model of the linearizability checker.
 *
 * A snapshot is an operation that keeps the state under its name, a restore one that brings it back: each takes effect at
 * one moment between its start and its end, like any other call. That is put into every key's history, since a snapshot
 * is of all keys. For one key alone this asks for a moment that suits that key; a history of several keys in one
 * partition (`store-model.mjs`) has to agree on it.
 *
 * Inputs besides the model's own: `{ snapshot: 'save' | 'restore', id }`.
 */

/** @param {string} partition what all operations given to the checker are about */
export const restorable = (model, partition) => ({
  name: `restorable ${model.name}`,
  initial: () => ({ now: model.initial(), saved: [] }),
  step(state, input, output) {
    switch (input.snapshot) {
      case undefined: {
        const now = model.step(state.now, input, output);
        return now === undefined ? undefined : { now, saved: state.saved };
      }
      case 'save':
        return { now: state.now, saved: [...state.saved, [input.id, state.now]] };
      case 'restore': {
        const found = state.saved.find(([id]) => id === input.id);
        return found && { now: found[1], saved: state.saved };
      }
      default:
        throw new Error(`no such call: ${input.snapshot}`);
    }
  },
  key: ({ now, saved }) =>
    [model.key(now), ...saved.map(([id, state]) => `${id}=${model.key(state)}`).sort()].join(' | '),
  partition: () => partition,
  readOnly: (input) => input.snapshot === undefined && model.readOnly(input),
  describe(input, output) {
    if (input.snapshot === undefined) return model.describe(input, output);
    return `${input.snapshot} snapshot ${input.id} -> ${output === undefined ? '?' : 'done'}`;
  },
});
