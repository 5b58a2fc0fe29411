import { BoundedCache } from '@coffer/kernel';
import type { Clock } from '@coffer/kernel';

const SUBJECTS_MAX = 256;
const QUIET_MS = 10_000;

/** Lets one line about a subject into the log every ten seconds, so that nobody can fill the disk with refusals. */
export class LogGate {
  readonly #clock: Clock;
  readonly #last = new BoundedCache<string, number>(SUBJECTS_MAX);

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  opens(subject: string): boolean {
    const nowMs = this.#clock.monotonicMs();
    const lastMs = this.#last.get(subject);
    if (lastMs !== undefined && nowMs - lastMs < QUIET_MS) return false;
    this.#last.set(subject, nowMs);
    return true;
  }
}
