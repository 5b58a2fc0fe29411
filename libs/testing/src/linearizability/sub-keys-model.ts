import { assertNever } from '@coffer/kernel';
import type { Model, Operation } from './model.ts';

/** Sub-keys and their values, sorted by sub-key; a list, since any sub-key is possible. */
export type SubKeys = readonly (readonly [subKey: string, value: string])[];

/** Calls on secrets that hold sub-keys, as `read`, `write` and `patch` of a versioned key-value store. */
export type SubKeysInput =
  | { readonly kind: 'read'; readonly path: string }
  /** Replaces all sub-keys. */
  | { readonly kind: 'replace'; readonly path: string; readonly data: SubKeys }
  /** Sets some and removes some (value `null`), as a JSON merge patch (RFC 7396) of one level. */
  | {
      readonly kind: 'patch';
      readonly path: string;
      readonly changes: readonly (readonly [subKey: string, value: string | null])[];
    }
  | { readonly kind: 'delete'; readonly path: string };

export type SubKeysOutput =
  | { readonly kind: 'data'; readonly data: SubKeys | undefined }
  | { readonly kind: 'replaced' }
  /** A patch of what does not exist changes nothing. */
  | { readonly kind: 'patched'; readonly found: boolean }
  | { readonly kind: 'deleted' };

export type SubKeysOperation = Operation<SubKeysInput, SubKeysOutput>;

export interface SubKeysState {
  /** Undefined: the secret does not exist. */
  readonly data: SubKeys | undefined;
}

/** Secrets of which sub-keys are changed alone, checked path by path. Catches patches that overwrite each other. */
export const subKeysModel: Model<SubKeysState, SubKeysInput, SubKeysOutput> = {
  name: 'sub-keys',
  initial: () => ({ data: undefined }),
  step(state, input, output) {
    switch (input.kind) {
      case 'read':
        if (output === undefined) return state;
        return output.kind === 'data' && show(output.data) === show(state.data) ? state : undefined;
      case 'replace':
        return output === undefined || output.kind === 'replaced' ? { data: sorted(input.data) } : undefined;
      case 'delete':
        return output === undefined || output.kind === 'deleted' ? { data: undefined } : undefined;
      case 'patch': {
        const found = state.data !== undefined;
        if (output !== undefined && (output.kind !== 'patched' || output.found !== found)) return undefined;
        return state.data === undefined ? state : { data: patched(state.data, input.changes) };
      }
      default:
        return assertNever(input, 'sub-keys input');
    }
  },
  key: (state) => show(state.data),
  partition: (input) => input.path,
  readOnly: (input) => input.kind === 'read',
  describe(input, output) {
    switch (input.kind) {
      case 'read':
        return `read ${input.path} -> ${output?.kind === 'data' ? show(output.data) : '?'}`;
      case 'replace':
        return `replace ${input.path} by ${show(input.data)} -> ${output === undefined ? '?' : 'replaced'}`;
      case 'delete':
        return `delete ${input.path} -> ${output === undefined ? '?' : 'deleted'}`;
      case 'patch': {
        const result = output?.kind === 'patched' ? (output.found ? 'patched' : 'not found') : '?';
        return `patch ${input.path} ${JSON.stringify(input.changes)} -> ${result}`;
      }
      default:
        return assertNever(input, 'sub-keys input');
    }
  },
};

function patched(data: SubKeys, changes: readonly (readonly [string, string | null])[]): SubKeys {
  const values = new Map(data);
  for (const [subKey, value] of changes) {
    if (value === null) values.delete(subKey);
    else values.set(subKey, value);
  }
  return sorted([...values]);
}

function sorted(data: SubKeys): SubKeys {
  return data.toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
}

function show(data: SubKeys | undefined): string {
  return data === undefined ? 'nothing' : JSON.stringify(sorted(data));
}
