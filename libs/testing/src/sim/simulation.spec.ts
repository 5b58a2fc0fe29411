import { AssertionFailure } from '@coffer/kernel';
import { createRaft } from 'raft-ts';
import { decorated } from './planted/decorated.ts';
import { runSchedules } from './schedule-run.ts';
import { scheduleSettings } from './schedule-settings.ts';
import { simulate, SimulationFailure } from './simulation.ts';

/** The short form; `SIM_SCHEDULES` makes it longer. */
const SCHEDULES_DEFAULT = 500;

/** Schedules that found defects once: leaders that lost their vote, unknown to those who still needed it. */
const SEEDS_OF_DEFECTS = [438, 510, 877, 1608, 2509, 2800, 2810, 2831, 2906];

describe('the simulated cluster', () => {
  const settings = scheduleSettings(process.env);
  const steps = settings.steps === undefined ? {} : { steps: settings.steps };

  it('keeps the promises of Raft and a linearizable store over schedules of faults, and gets well after each', () => {
    const count = settings.schedules ?? SCHEDULES_DEFAULT;
    const totals = runSchedules({ createRaft, ...steps }, settings.seed, count);
    expect(totals.failures.map((failure) => failure.message)).toEqual([]);
    expect(totals.schedules).toBe(count);
    // A run in which nothing happens would keep all promises.
    expect(totals.answered).toBeGreaterThan(20 * count);
    expect(totals.applied).toBeGreaterThan(10 * count);
    expect(totals.undecided).toBeLessThan(1 + count / 50);
  }, 3_600_000);

  it('stands the schedules that found defects once', () => {
    for (const seed of SEEDS_OF_DEFECTS) expect(() => simulate(seed, { createRaft })).not.toThrow();
  });

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
