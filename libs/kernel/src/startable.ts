import type { MaybePromise } from './maybe-promise.ts';

/**
 * One part of a node's life after unsealing. Parts are started in an order that satisfies `needs` and stopped in the
 * reverse order. `start` of a part that fails stops those already started.
 */
export interface Startable {
  readonly name: string;
  /** Names of the parts that must be running first. */
  readonly needs: readonly string[];
  start(): MaybePromise<void>;
  stop(): MaybePromise<void>;
}
