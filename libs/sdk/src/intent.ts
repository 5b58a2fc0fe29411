import { assert } from '@coffer/kernel';
import type { MaybePromise } from '@coffer/kernel';
import type { MountContext } from './engine.ts';
import type { StorageView } from './storage-view.ts';

/** A kind of effect outside of the store, and how it is undone. */
export interface IntentType<E> {
  readonly kind: string;
  /** Tolerates that the effect never happened, or was undone already. What fails is tried again. */
  readonly undo: (engine: E, data: Readonly<Record<string, unknown>>) => MaybePromise<void>;
}

/** An intent that is stored. */
export interface RecordedIntent {
  /** It need not be undone any more: stored together with what the handler writes. */
  settle(view: StorageView): void;
}

export interface DefinedIntent<E, D extends object> extends IntentType<E> {
  /** Stores the intent at once, in a batch of its own; to be done before the effect. On the active node only. */
  record(mount: MountContext, data: D): Promise<RecordedIntent>;
}

/**
 * Declares an effect outside of the store (a database user, a cloud key) that must not be forgotten when a node dies in
 * between, or the handler runs again: the intent is stored first, then the effect happens, then it is settled in the
 * handler's own batch. What is not settled after ten minutes, or when the mount is removed, is undone by the active node.
 *
 * @example
 *     export const makingUser = defineIntent('user', {
 *       undo: (database: Database, { name }: User) => database.dropUser(name),
 *     });
 *     // in a handler
 *     const intent = await makingUser.record(database.mount, { name });
 *     await database.createUser(name);
 *     intent.settle(view);
 *
 * @throws AssertionFailure for an empty name
 */
export function defineIntent<E, D extends object>(
  kind: string,
  spec: { readonly undo: (engine: E, data: D) => MaybePromise<void> },
): DefinedIntent<E, D> {
  assert(kind !== '', 'an intent has a name');
  return Object.freeze({
    kind,
    // What comes back is what `record` took: the type that the store forgets.
    undo: spec.undo as unknown as IntentType<E>['undo'],
    async record({ intents }: MountContext, data: D): Promise<RecordedIntent> {
      const id = await intents.record(kind, data as Readonly<Record<string, unknown>>);
      return { settle: (view) => intents.settle(view, id) };
    },
  });
}
