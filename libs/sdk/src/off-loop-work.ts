import { assert } from '@coffer/kernel';
import type { MaybePromise } from '@coffer/kernel';

/** A function that may run on another thread: found there by its module and name. */
export interface OffLoopWork<A extends readonly unknown[], T> {
  readonly module: URL;
  readonly name: string;
  /** The function itself. */
  readonly run: (...args: A) => MaybePromise<T>;
}

/**
 * Declares a function for `MountContext.offLoop`. It stands in a module of its own, which exports it under its own name
 * and imports little, since every thread loads it. Arguments and result are copied (structured clone): plain data and bytes.
 *
 * @example
 *     // hash.work.ts
 *     export function hash(password: string, salt: Uint8Array): Uint8Array {
 *       return scryptSync(password, salt, 32);
 *     }
 *     export const hashing = offLoopWork(import.meta.url, hash);
 *
 *     // in a handler
 *     const digest = await engine.mount.offLoop(hashing, password, salt);
 *
 * @throws AssertionFailure for a function without a name
 */
export function offLoopWork<A extends readonly unknown[], T>(
  moduleUrl: string,
  run: (...args: A) => MaybePromise<T>,
): OffLoopWork<A, T> {
  assert(run.name !== '', 'a function for another thread has a name');
  return Object.freeze({ module: new URL(moduleUrl), name: run.name, run });
}
