/**
 * A process of `run-schedules.ts`: runs the ranges of seeds that it is given, and says what came of each. Goes when
 * its parent goes.
 */
import { createRaft } from 'raft-ts';
import { plainFailure, runSchedules } from './schedule-run.ts';
import type { RangeReport, SeedRange } from './schedule-pool.ts';

process.on('message', (range: SeedRange) => {
  const setup = { createRaft, ...(range.steps === undefined ? {} : { steps: range.steps }) };
  const { failures, ...totals } = runSchedules(setup, range.first, range.count, () => false, range.count);
  const report: RangeReport = { first: range.first, ...totals, failures: failures.map(plainFailure) };
  process.send?.(report);
});
// An interruption of the terminal reaches all processes: the parent says what is to be done.
process.on('SIGINT', () => undefined);
process.on('disconnect', () => process.exit(0));
