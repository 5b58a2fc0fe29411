import type { CancelTimer, Clock, Log } from '@coffer/kernel';
import type { AppliedBatch, Reader } from '@coffer/storage';
import { DUE_KEYS, dueMsOf, dueTime, leaseNameOf } from './records.ts';
import type { LeaseName } from './records.ts';

export interface DueQueueDeps {
  readonly reader: Reader;
  readonly clock: Clock;
  readonly log: Log;
  /** Deals with one lease that is due; what it leaves undone it has moved to a later time. */
  readonly settle: (name: LeaseName, dueMs: number) => Promise<void>;
}

/** Leases that are loaded at a time, and revoked at the same time. */
const PAGE = 64;
const CONCURRENT_MAX = 16;
/** The clock may be set: it is looked at so often at least. */
const LOOK_MS = 60_000;
const RETRY_MS = 1000;

/**
 * Waits for the next due time and deals with what is due, a page at a time. It knows nothing but the index: a node that
 * becomes active reads one page of it.
 */
export class DueQueue {
  readonly #deps: DueQueueDeps;
  #running = false;
  #sweeping = false;
  /** Something earlier came while sweeping. */
  #again = false;
  #cancel: CancelTimer | undefined;
  #wakeMs = Number.POSITIVE_INFINITY;

  constructor(deps: DueQueueDeps) {
    this.#deps = deps;
  }

  start(): void {
    if (this.#running) return;
    this.#running = true;
    this.#sweepSoon(0);
  }

  stop(): void {
    this.#running = false;
    this.#cancel?.();
    this.#cancel = undefined;
    this.#wakeMs = Number.POSITIVE_INFINITY;
  }

  /** Looks for what is due now. */
  look(): void {
    if (this.#running && !this.#sweeping) this.#sweepSoon(0);
  }

  /** Looks whether something new is due earlier than what it waits for. */
  applied({ keys, everything }: AppliedBatch): void {
    if (!this.#running) return;
    if (everything) this.#sweepSoon(0);
    for (const key of keys) {
      if (!key.startsWith(DUE_KEYS)) continue;
      const dueMs = dueMsOf(key);
      if (this.#sweeping) this.#again = true;
      else if (dueMs < this.#wakeMs) this.#sweepSoon(dueMs - this.#deps.clock.nowMs());
    }
  }

  #sweepSoon(delayMs: number): void {
    this.#cancel?.();
    const bounded = Math.min(Math.max(delayMs, 0), LOOK_MS);
    this.#wakeMs = this.#deps.clock.nowMs() + bounded;
    this.#cancel = this.#deps.clock.after(bounded, () => void this.#sweep());
  }

  async #sweep(): Promise<void> {
    if (!this.#running || this.#sweeping) return;
    this.#sweeping = true;
    this.#again = false;
    let nextMs = RETRY_MS;
    try {
      nextMs = await this.#untilNoneIsDue();
    } catch (error) {
      this.#deps.log.warn('leases that are due could not be dealt with and are tried again', { error });
    } finally {
      this.#sweeping = false;
    }
    if (this.#running) this.#sweepSoon(this.#again ? 0 : nextMs);
  }

  /** @returns how long until the next is due, in milliseconds */
  async #untilNoneIsDue(): Promise<number> {
    const { reader, clock } = this.#deps;
    let from = DUE_KEYS;
    while (this.#running) {
      const to = DUE_KEYS + dueTime(clock.nowMs() + 1);
      const keys = await reader.keys({ from, to, limit: PAGE });
      const last = keys.at(-1);
      if (last === undefined) break;
      await this.#settleAll(keys);
      from = `${last}\u0000`;
    }
    const [next] = await reader.keys({ from: DUE_KEYS, to: `${DUE_KEYS}~`, limit: 1 });
    if (next === undefined) return LOOK_MS;
    const waitMs = dueMsOf(next) - clock.nowMs();
    // One that is due still failed in the store, or came while the others were dealt with.
    return waitMs > 0 ? waitMs : RETRY_MS;
  }

  async #settleAll(keys: readonly string[]): Promise<void> {
    const waiting = [...keys];
    const failures: unknown[] = [];
    const worker = async (): Promise<void> => {
      for (let key = waiting.shift(); key !== undefined && this.#running; key = waiting.shift()) {
        const dueMs = dueMsOf(key);
        try {
          await this.#deps.settle(leaseNameOf(key, `${DUE_KEYS}${dueTime(dueMs)}/`), dueMs);
        } catch (error) {
          failures.push(error);
        }
      }
    };
    await Promise.all(Array.from({ length: Math.min(CONCURRENT_MAX, keys.length) }, worker));
    if (failures.length > 0) throw failures[0];
  }
}
