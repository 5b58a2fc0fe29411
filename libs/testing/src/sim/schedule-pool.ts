import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { emptyTotals } from './schedule-run.ts';
import type { PlainFailure, ScheduleFigures } from './schedule-run.ts';

/** What a worker has to run. */
export interface SeedRange {
  readonly first: number;
  readonly count: number;
  readonly steps?: number;
}

export interface RangeReport extends ScheduleFigures {
  readonly first: number;
  readonly failures: readonly PlainFailure[];
}

export interface PoolTotals extends ScheduleFigures {
  readonly failures: PlainFailure[];
  /** All seeds before this one have been run. */
  nextSeed: number;
}

/** Small enough that little is run twice after an interruption, big enough that handing out costs nothing. */
const RANGE = 50;

/**
 * Runs the schedules of `count` seeds from `first` on in worker processes, as many at a time as there are workers.
 * Ends when all are run, `failuresMax` have failed, or `stop` was called.
 */
export class SchedulePool {
  readonly totals: PoolTotals;
  readonly #end: number;
  readonly #steps: number | undefined;
  readonly #failuresMax: number;
  readonly #onReport: () => void;
  readonly #workers = new Set<ChildProcess>();
  readonly #running = new Set<number>();
  #handedTo: number;
  #stopped = false;
  #finish: (() => void) | undefined;

  constructor(range: SeedRange, failuresMax: number, onReport: () => void) {
    this.totals = { ...emptyTotals(), failures: [], nextSeed: range.first };
    this.#handedTo = range.first;
    this.#end = range.first + range.count;
    this.#steps = range.steps;
    this.#failuresMax = failuresMax;
    this.#onReport = onReport;
  }

  /** @throws Error when a worker ends before its work does */
  async run(workers: number): Promise<void> {
    const file = fileURLToPath(import.meta.url).replace('schedule-pool', 'schedule-worker');
    const lost = new Promise<never>((_, reject) => {
      for (let count = 0; count < workers; count += 1) {
        const worker = fork(file);
        this.#workers.add(worker);
        worker.on('message', (report: RangeReport) => this.#take(worker, report));
        worker.on('exit', (code) => {
          if (this.#workers.delete(worker)) reject(new Error(`a worker ended with ${code ?? 'a signal'}`));
        });
        this.#hand(worker);
      }
    });
    const finished = new Promise<void>((resolve) => (this.#finish = resolve));
    this.#settle();
    try {
      await Promise.race([finished, lost]);
    } finally {
      for (const worker of [...this.#workers]) {
        this.#workers.delete(worker);
        worker.disconnect();
      }
    }
  }

  /** Hands out nothing more; what is under way is run to its end. */
  stop(): void {
    this.#stopped = true;
    this.#settle();
  }

  #hand(worker: ChildProcess): void {
    if (this.#stopped || this.#handedTo >= this.#end) return;
    const first = this.#handedTo;
    const count = Math.min(RANGE, this.#end - first);
    this.#handedTo += count;
    this.#running.add(first);
    worker.send({ first, count, ...(this.#steps === undefined ? {} : { steps: this.#steps }) });
  }

  #take(worker: ChildProcess, report: RangeReport): void {
    const { totals } = this;
    this.#running.delete(report.first);
    totals.schedules += report.schedules;
    totals.events += report.events;
    totals.answered += report.answered;
    totals.unknown += report.unknown;
    totals.applied += report.applied;
    totals.undecided += report.undecided;
    totals.failures.push(...report.failures);
    totals.nextSeed = Math.min(this.#handedTo, ...this.#running);
    if (totals.failures.length >= this.#failuresMax) this.#stopped = true;
    this.#hand(worker);
    this.#onReport();
    this.#settle();
  }

  #settle(): void {
    if (this.#running.size === 0 && (this.#stopped || this.#handedTo >= this.#end)) this.#finish?.();
  }
}
