/** What is to be run, from the environment. */
export interface ScheduleSettings {
  /** The first seed; `SIM_SEED`, default 1. */
  readonly seed: number;
  /** How many seeds; `SIM_SCHEDULES`, default one if a seed is named. Undefined: nothing was said. */
  readonly schedules: number | undefined;
  /** Events of the phase of faults; `SIM_STEPS`. */
  readonly steps: number | undefined;
  /** How many processes; `SIM_WORKERS`. */
  readonly workers: number | undefined;
  /** Whether to tell everything; `SIM_TRACE=1`. */
  readonly trace: boolean;
}

/** @throws RangeError for a value that is no whole number above 0. */
export function scheduleSettings(env: Readonly<Record<string, string | undefined>>): ScheduleSettings {
  const seed = wholeNumber(env, 'SIM_SEED');
  return {
    seed: seed ?? 1,
    schedules: wholeNumber(env, 'SIM_SCHEDULES') ?? (seed === undefined ? undefined : 1),
    steps: wholeNumber(env, 'SIM_STEPS'),
    workers: wholeNumber(env, 'SIM_WORKERS'),
    trace: env['SIM_TRACE'] === '1',
  };
}

function wholeNumber(env: Readonly<Record<string, string | undefined>>, name: string): number | undefined {
  const text = env[name];
  if (text === undefined || text === '') return undefined;
  const value = Number(text.replaceAll('_', ''));
  if (!Number.isSafeInteger(value) || value <= 0) throw new RangeError(`${name} is a whole number above 0`);
  return value;
}
