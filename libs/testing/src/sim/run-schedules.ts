/**
 * Runs many schedules, for hours if need be, in as many processes as there are processors:
 *
 *     npm run simulate                                  100,000 schedules, from seed 1 on
 *     SIM_SEED=7001 SIM_SCHEDULES=500 npm run simulate  those of seeds 7001 to 7500
 *     SIM_SEED=7001 SIM_TRACE=1 npm run simulate        one, and all that happens in it
 *
 * See `schedule-settings.ts` for the environment. An interruption says with which seed to go on. Ends with 1 and the
 * seeds if schedules fail.
 */
import { availableParallelism } from 'node:os';
import { systemClock } from '@coffer/kernel';
import { createRaft } from 'raft-ts';
import { SchedulePool } from './schedule-pool.ts';
import type { PoolTotals } from './schedule-pool.ts';
import { plainFailure, runSchedules } from './schedule-run.ts';
import type { PlainFailure, ScheduleFigures } from './schedule-run.ts';
import { scheduleSettings } from './schedule-settings.ts';

const SCHEDULES_DEFAULT = 100_000;
const FAILURES_MAX = 10;
const PROGRESS_EVERY_MS = 5000;

const settings = scheduleSettings(process.env);
const count = settings.schedules ?? SCHEDULES_DEFAULT;
const steps = settings.steps === undefined ? {} : { steps: settings.steps };
const startedAt = systemClock.monotonicMs();

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function progress(figures: ScheduleFigures): string {
  const seconds = (systemClock.monotonicMs() - startedAt) / 1000;
  const { schedules, events, answered, unknown, applied, undecided } = figures;
  return [
    `${schedules} of ${count} schedules in ${seconds.toFixed(1)} s (${(schedules / seconds).toFixed(0)} a second)`,
    `${events} events, ${applied} entries, ${answered} calls answered, ${unknown} of unknown outcome`,
    `${undecided} histories undecided`,
  ].join('; ');
}

/** In this process, so that everything can be told. */
function runHere(): readonly PlainFailure[] {
  const setup = { createRaft, ...steps, ...(settings.trace ? { trace: say } : {}) };
  const { failures, ...figures } = runSchedules(setup, settings.seed, count);
  say(progress(figures));
  return failures.map(plainFailure);
}

function remaining({ nextSeed }: PoolTotals): string {
  return `SIM_SEED=${nextSeed} SIM_SCHEDULES=${settings.seed + count - nextSeed} npm run simulate`;
}

async function runInWorkers(workers: number): Promise<readonly PlainFailure[]> {
  let reportedAt = startedAt;
  let told = 0;
  const pool = new SchedulePool({ first: settings.seed, count, ...steps }, FAILURES_MAX, () => {
    for (const { message } of pool.totals.failures.slice(told)) say(message);
    told = pool.totals.failures.length;
    const now = systemClock.monotonicMs();
    if (now - reportedAt < PROGRESS_EVERY_MS) return;
    reportedAt = now;
    say(progress(pool.totals));
  });
  const interrupted = (): void => {
    say('interrupted: what is under way comes to its end');
    pool.stop();
  };
  process.once('SIGINT', interrupted);
  process.once('SIGTERM', interrupted);
  await pool.run(workers);
  say(progress(pool.totals));
  if (pool.totals.nextSeed < settings.seed + count) say(`to go on: ${remaining(pool.totals)}`);
  return pool.totals.failures;
}

const here = settings.trace || count === 1;
const failures = here ? runHere() : await runInWorkers(settings.workers ?? availableParallelism());
for (const { message, stack } of failures) {
  say(message);
  if (stack !== undefined) say(stack);
}
process.exitCode = failures.length > 0 ? 1 : 0;
