import type { Clock } from '@coffer/kernel';

/** A clock that stands still until it is turned; both of its times go together. Timers do not run. */
export class TurningClock implements Clock {
  #nowMs: number;

  /** @param nowMs milliseconds since 1970 */
  constructor(nowMs = 1_700_000_000_000) {
    this.#nowMs = nowMs;
  }

  turn(byMs: number): void {
    this.#nowMs += byMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  after(): () => void {
    return () => undefined;
  }

  every(): () => void {
    return () => undefined;
  }
}
