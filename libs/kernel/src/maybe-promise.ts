/**
 * A value that may be there at once. Layers on the hot path answer from memory without a promise; callers that do not
 * care simply `await` it.
 */
export type MaybePromise<T> = T | Promise<T>;

/** Whether a `MaybePromise` has to be awaited. */
export function isPromise<T>(value: MaybePromise<T>): value is Promise<T> {
  return value !== null && typeof value === 'object' && typeof (value as { then?: unknown }).then === 'function';
}

/** Applies `next` to a value, now if the value is there, later if it is a promise. */
export function whenReady<T, R>(value: MaybePromise<T>, next: (value: T) => MaybePromise<R>): MaybePromise<R> {
  return isPromise(value) ? value.then(next) : next(value);
}
