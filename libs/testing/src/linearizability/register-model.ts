import { assertNever } from '@coffer/kernel';
import type { Model, Operation } from './model.ts';

/** Calls on a store of registers. A value of undefined stands for a key that does not exist. */
export type RegisterInput =
  | { readonly kind: 'get'; readonly key: string }
  | { readonly kind: 'put'; readonly key: string; readonly value: string }
  | { readonly kind: 'cas'; readonly key: string; readonly expected: string | undefined; readonly value: string };

export type RegisterOutput =
  | { readonly kind: 'got'; readonly value: string | undefined }
  | { readonly kind: 'stored' }
  | { readonly kind: 'compared'; readonly swapped: boolean };

export type RegisterOperation = Operation<RegisterInput, RegisterOutput>;

export interface Register {
  readonly value: string | undefined;
}

/** A key-value store, checked key by key. */
export const registerModel: Model<Register, RegisterInput, RegisterOutput> = {
  name: 'register',
  initial: () => ({ value: undefined }),
  step(state, input, output) {
    switch (input.kind) {
      case 'get':
        if (output === undefined) return state;
        return output.kind === 'got' && output.value === state.value ? state : undefined;
      case 'put':
        return output === undefined || output.kind === 'stored' ? { value: input.value } : undefined;
      case 'cas': {
        const swapped = state.value === input.expected;
        if (output !== undefined && (output.kind !== 'compared' || output.swapped !== swapped)) return undefined;
        return swapped ? { value: input.value } : state;
      }
      default:
        return assertNever(input, 'register input');
    }
  },
  key: (state) => show(state.value),
  partition: (input) => input.key,
  readOnly: (input) => input.kind === 'get',
  describe(input, output) {
    switch (input.kind) {
      case 'get':
        return `get ${input.key} -> ${output?.kind === 'got' ? show(output.value) : '?'}`;
      case 'put':
        return `put ${input.key} ${show(input.value)} -> ${output === undefined ? '?' : 'stored'}`;
      case 'cas': {
        const result = output?.kind === 'compared' ? (output.swapped ? 'swapped' : 'differs') : '?';
        return `cas ${input.key} ${show(input.expected)} to ${show(input.value)} -> ${result}`;
      }
      default:
        return assertNever(input, 'register input');
    }
  },
};

function show(value: string | undefined): string {
  return value === undefined ? 'nothing' : JSON.stringify(value);
}
