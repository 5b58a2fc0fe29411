import { simulate, SimulationFailure } from './simulation.ts';
import type { SimulationReport, SimulationSetup } from './simulation.ts';
import type { Invariant } from './violation.ts';

/** What many schedules came to, in numbers; see `SimulationReport`. */
export interface ScheduleFigures {
  schedules: number;
  events: number;
  answered: number;
  unknown: number;
  applied: number;
  undecided: number;
}

export interface ScheduleTotals extends ScheduleFigures {
  /** The first failures, in the order of their seeds. */
  readonly failures: SimulationFailure[];
}

/** A failure as it goes from one process to another. */
export interface PlainFailure {
  readonly seed: number;
  readonly invariant: Invariant;
  readonly message: string;
  /** Of a failed assertion: where it was. */
  readonly stack?: string;
}

export function plainFailure({ seed, invariant, message, cause }: SimulationFailure): PlainFailure {
  const stack = invariant === 'assertion' && cause instanceof Error ? cause.stack : undefined;
  return { seed, invariant, message, ...(stack === undefined ? {} : { stack }) };
}

export function emptyTotals(): ScheduleFigures {
  return { schedules: 0, events: 0, answered: 0, unknown: 0, applied: 0, undecided: 0 };
}

/**
 * Runs the schedules of seeds `first`, `first + 1`, … until there were `count`, or `enough` says so, or `failuresMax`
 * have failed.
 */
export function runSchedules(
  setup: SimulationSetup,
  first: number,
  count: number,
  enough: (totals: ScheduleTotals) => boolean = () => false,
  failuresMax = 1,
): ScheduleTotals {
  const totals: ScheduleTotals = { ...emptyTotals(), failures: [] };
  for (let seed = first; seed < first + count; seed += 1) {
    try {
      add(totals, simulate(seed, setup));
    } catch (cause) {
      if (!(cause instanceof SimulationFailure)) throw cause;
      totals.failures.push(cause);
    }
    totals.schedules += 1;
    if (totals.failures.length >= failuresMax || enough(totals)) break;
  }
  return totals;
}

function add(totals: ScheduleTotals, report: SimulationReport): void {
  totals.events += report.events;
  totals.answered += report.answered;
  totals.unknown += report.unknown;
  totals.applied += report.applied;
  if (report.undecided) totals.undecided += 1;
}
