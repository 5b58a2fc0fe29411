/**
 * Runs many schedules, for hours if need be:
 *
 *     SIM_SCHEDULES=100000 node --conditions=@coffer/source libs/testing/src/sim/run-schedules.ts
 *
 * See `schedule-settings.ts` for the environment. Ends with 1 and the seed if a schedule fails.
 */
import { systemClock } from '@coffer/kernel';
import { createRaft } from 'raft-ts';
import { runSchedules } from './schedule-run.ts';
import type { ScheduleTotals } from './schedule-run.ts';
import { scheduleSettings } from './schedule-settings.ts';

const SCHEDULES_DEFAULT = 100_000;
const PROGRESS_EVERY_MS = 5000;

const settings = scheduleSettings(process.env);
const count = settings.schedules ?? SCHEDULES_DEFAULT;
const startedAt = systemClock.monotonicMs();
let reportedAt = startedAt;

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function progress(totals: ScheduleTotals): string {
  const seconds = (systemClock.monotonicMs() - startedAt) / 1000;
  const { schedules, events, answered, unknown, applied, undecided } = totals;
  return [
    `${schedules} of ${count} schedules in ${seconds.toFixed(1)} s (${(schedules / seconds).toFixed(0)} a second)`,
    `${events} events, ${applied} entries, ${answered} calls answered, ${unknown} of unknown outcome`,
    `${undecided} histories undecided`,
  ].join('; ');
}

const totals = runSchedules(
  {
    createRaft,
    ...(settings.steps === undefined ? {} : { steps: settings.steps }),
    ...(settings.trace ? { trace: say } : {}),
  },
  settings.seed,
  count,
  (soFar) => {
    const now = systemClock.monotonicMs();
    if (now - reportedAt >= PROGRESS_EVERY_MS) {
      reportedAt = now;
      say(progress(soFar));
    }
    return false;
  },
);

say(progress(totals));
for (const failure of totals.failures) {
  const { cause } = failure;
  say(failure.message);
  if (failure.invariant === 'assertion' && cause instanceof Error) say(cause.stack ?? '');
}
process.exitCode = totals.failures.length > 0 ? 1 : 0;
