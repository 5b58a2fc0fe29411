import { simulate, SimulationFailure } from './simulation.ts';
import type { SimulationReport, SimulationSetup } from './simulation.ts';

/** What many schedules came to. */
export interface ScheduleTotals {
  schedules: number;
  events: number;
  answered: number;
  unknown: number;
  applied: number;
  undecided: number;
  /** The first failures, in the order of their seeds. */
  readonly failures: SimulationFailure[];
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
  const totals: ScheduleTotals = {
    schedules: 0,
    events: 0,
    answered: 0,
    unknown: 0,
    applied: 0,
    undecided: 0,
    failures: [],
  };
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
