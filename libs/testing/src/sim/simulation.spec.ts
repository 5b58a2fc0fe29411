import { AssertionFailure, systemClock } from '@coffer/kernel';
import { createRaft } from 'raft-ts';
import { decorated } from './planted/decorated.ts';
import { runSchedules } from './schedule-run.ts';
import type { ScheduleTotals } from './schedule-run.ts';
import { scheduleSettings } from './schedule-settings.ts';
import { simulate, SimulationFailure } from './simulation.ts';

/** The short form is worth ten seconds, but as many schedules at least; `SIM_SCHEDULES` says how many instead. */
const SHORT_FORM_MS = 10_000;
const SCHEDULES_MIN = 100;

describe('the simulated cluster', () => {
  const settings = scheduleSettings(process.env);
  const steps = settings.steps === undefined ? {} : { steps: settings.steps };

  it('keeps the promises of Raft and a linearizable store over schedules of faults, and gets well after each', () => {
    const startedAt = systemClock.monotonicMs();
    const enough = ({ schedules }: ScheduleTotals): boolean =>
      settings.schedules === undefined &&
      schedules >= SCHEDULES_MIN &&
      systemClock.monotonicMs() - startedAt >= SHORT_FORM_MS;
    const totals = runSchedules({ createRaft, ...steps }, settings.seed, settings.schedules ?? 1e6, enough);
    expect(totals.failures.map((failure) => failure.message)).toEqual([]);
    const count = totals.schedules;
    expect(count).toBeGreaterThanOrEqual(settings.schedules ?? SCHEDULES_MIN);
    // A run in which nothing happens would keep all promises.
    expect(totals.answered).toBeGreaterThan(20 * count);
    expect(totals.applied).toBeGreaterThan(10 * count);
    expect(totals.undecided).toBeLessThan(1 + count / 50);
  }, 3_600_000);

  it('repeats a schedule exactly', () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const lines: string[][] = [[], []];
      const reports = lines.map((list) =>
        simulate(seed, { createRaft, steps: 2000, trace: (line) => list.push(line) }),
      );
      expect(reports[1]).toEqual(reports[0]);
      expect(lines[1]).toEqual(lines[0]);
    }
  });

  it('runs another schedule for another seed', () => {
    const digests = [1, 2, 3, 4, 5].map((seed) => simulate(seed, { createRaft, steps: 500 }).digest);
    expect(new Set(digests).size).toBe(5);
  });

  it('says how to repeat a failure', () => {
    const failure = new SimulationFailure(7, 900, 'log matching', 'log matching: node 1', undefined);
    expect(failure.message).toContain('SIM_SEED=7 SIM_STEPS=900');
  });

  it('notices a cluster that never gets well', () => {
    // A core that takes nothing in and so never leads.
    const silent = decorated(createRaft, () => ({
      tick: () => undefined,
      step: () => undefined,
      campaign: () => undefined,
    }));
    expect(() => simulate(3, { steps: 100, createRaft: silent })).toThrow(/^seed 3: liveness: no write succeeded/);
  });

  it('takes a failed assertion of the core for a failure of the schedule', () => {
    const broken = decorated(createRaft, () => ({
      tick: () => {
        throw new AssertionFailure('planted');
      },
    }));
    expect(() => simulate(3, { createRaft: broken })).toThrow(/^seed 3: AssertionFailure: planted/);
  });
});
