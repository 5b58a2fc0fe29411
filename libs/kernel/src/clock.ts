/** Ends a timer or interval; calling it twice does no harm. */
export type CancelTimer = () => void;

/** The only way to time. Production has `systemClock`; tests and the simulator bring their own. */
export interface Clock {
  /** Wall-clock time, in milliseconds since 1970-01-01T00:00:00Z. May jump. */
  nowMs(): number;
  /** Time since an arbitrary start, in milliseconds with fractions. Never goes back; measures durations. */
  monotonicMs(): number;
  /** Calls `run` once after `delayMs`. A timer alone does not keep the process alive. */
  after(delayMs: number, run: () => void): CancelTimer;
  /** Calls `run` every `periodMs` until cancelled. */
  every(periodMs: number, run: () => void): CancelTimer;
}

/** Node's longest timer; longer delays are cut to it and the callee looks at the clock again. */
export const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** The machine's clock. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, run) {
    const timer = setTimeout(run, Math.min(Math.max(delayMs, 0), LONGEST_TIMER_MS));
    timer.unref();
    return () => clearTimeout(timer);
  },
  every(periodMs, run) {
    const timer = setInterval(run, Math.min(Math.max(periodMs, 1), LONGEST_TIMER_MS));
    timer.unref();
    return () => clearInterval(timer);
  },
};

/** Waits `delayMs` by the given clock; rejects with the signal's reason if aborted first. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason as Error);
    const onAbort = (): void => {
      cancel();
      reject(signal?.reason as Error);
    };
    const cancel = clock.after(delayMs, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
