import { assert } from '@coffer/kernel';
import type { LogIndex } from 'raft-ts';
import type { OpenRestore, RestoreStep, StateRecord } from './restore.codec.ts';
import { statePrefix } from './state-roots.ts';

/**
 * What a restore has brought so far: which attempt is open, and the records that the next batch takes along. The steps
 * come from the log, so that every node decides in the same way which of them count.
 */
export class RestoreStaging {
  #open: OpenRestore | undefined;
  #pending: StateRecord[] = [];

  constructor(open: OpenRestore | undefined) {
    this.#open = open;
  }

  get open(): OpenRestore | undefined {
    return this.#open;
  }

  /** @returns the attempt that ends by it */
  begin(attempt: LogIndex): LogIndex | undefined {
    const former = this.#open?.attempt;
    this.#reset({ attempt, sequence: 0 });
    return former;
  }

  /** Steps of another attempt, or out of order, count for nothing. */
  take(step: RestoreStep & { readonly kind: 'stage' }): void {
    if (!this.#fits(step)) return;
    for (const record of step.records) this.#pending.push(record);
    this.#open = { attempt: step.attempt, sequence: step.sequence + 1 };
  }

  /** @returns whether that attempt was open */
  abandon(attempt: LogIndex): boolean {
    if (this.#open?.attempt !== attempt) return false;
    this.#reset(undefined);
    return true;
  }

  /**
   * Ends the attempt, if all of it is there.
   *
   * @returns the records that are not on disk yet; undefined if it does not count
   */
  complete(step: RestoreStep & { readonly kind: 'switch' }): readonly StateRecord[] | undefined {
    if (!this.#fits(step)) return undefined;
    const pending = this.#pending;
    this.#reset(undefined);
    return pending;
  }

  /** Hands what is pending to a batch. @param generation of the state that the attempt belongs to */
  handOver(generation: number, batch: { put(key: string, value: Uint8Array): unknown }): void {
    const pending = this.#pending;
    const open = this.#open;
    assert(pending.length === 0 || open !== undefined, 'records are staged for an open attempt');
    this.#pending = [];
    if (open === undefined) return;
    const prefix = statePrefix(generation, open.attempt);
    for (const [key, value] of pending) batch.put(prefix + key, value);
  }

  /** A snapshot replaced the state, and with it the attempt. */
  replace(open: OpenRestore | undefined): void {
    this.#reset(open);
  }

  #fits({ attempt, sequence }: { readonly attempt: LogIndex; readonly sequence: number }): boolean {
    return this.#open?.attempt === attempt && this.#open.sequence === sequence;
  }

  #reset(open: OpenRestore | undefined): void {
    this.#open = open;
    this.#pending = [];
  }
}
