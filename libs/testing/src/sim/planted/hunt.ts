import type { CreateRaft } from 'raft-ts';
import { simulate, SimulationFailure } from '../simulation.ts';
import type { PlantedBug } from './planted-bug.ts';

export interface Find {
  readonly seed: number;
  /** How many schedules it took. */
  readonly schedules: number;
  readonly failure: SimulationFailure;
}

/**
 * The first schedule that finds the bug in the way in which it must be found: the one that is known to, or else one of
 * the seeds from 1 to `seedsMax`.
 */
export async function hunt(bug: PlantedBug, createRaft: CreateRaft, seedsMax: number): Promise<Find | undefined> {
  const setup = await bug.plant(createRaft);
  for (let tried = 0; tried <= seedsMax; tried += 1) {
    const seed = tried === 0 ? bug.seed : tried;
    try {
      simulate(seed, setup);
    } catch (failure) {
      if (!(failure instanceof SimulationFailure)) throw failure;
      if (bug.caughtBy.includes(failure.invariant)) return { seed, schedules: tried + 1, failure };
    }
  }
  return undefined;
}
