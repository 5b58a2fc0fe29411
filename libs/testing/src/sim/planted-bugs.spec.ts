import { createRaft } from 'raft-ts';
import { PLANTED_BUGS } from './planted-bugs.ts';
import type { PlantedBug } from './planted-bugs.ts';
import { simulate, SimulationFailure } from './simulation.ts';

/** Each bug must be found within so many schedules. */
const SEEDS_MAX = 1000;

/** The first seed that finds the bug in the way it must be found. */
function hunt(bug: PlantedBug): number | undefined {
  for (let seed = 1; seed <= SEEDS_MAX; seed += 1) {
    try {
      simulate(seed, bug.plant(createRaft));
    } catch (cause) {
      if (!(cause instanceof SimulationFailure)) throw cause;
      if (bug.caughtBy.includes(cause.invariant)) return seed;
    }
  }
  return undefined;
}

describe('the simulator finds', () => {
  for (const bug of PLANTED_BUGS) {
    it(`that ${bug.name}`, () => {
      expect(hunt(bug)).toBeDefined();
    }, 120_000);
  }
});
