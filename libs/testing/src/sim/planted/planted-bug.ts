import type { CreateRaft } from 'raft-ts';
import type { FaultPlan } from '../fault-plan.ts';
import type { SimulationSetup } from '../simulation.ts';
import type { Invariant } from '../violation.ts';
import { alteredCore } from './altered-core.ts';
import type { Alteration } from './altered-core.ts';
import { decorated } from './decorated.ts';
import type { Decorate } from './decorated.ts';

/** A mistake that was made in Raft implementations before, made again on purpose. */
export interface PlantedBug {
  readonly name: string;
  /** Where it was made, or is described: `owner/repository#issue`, a paper, or an address. */
  readonly sources: readonly string[];
  /** What must notice it. */
  readonly caughtBy: readonly Invariant[];
  /** A schedule that found it when this was written; others must find it, too, should the schedules change. */
  readonly seed: number;
  /** The simulation of the mistake in this core. */
  readonly plant: (createRaft: CreateRaft) => SimulationSetup | Promise<SimulationSetup>;
}

/** Changes the plan that a seed drew, so that what the mistake needs happens more often. */
export type AdjustPlan = (plan: FaultPlan) => FaultPlan;

/** A mistake that can be made from outside of the core. */
export function around(decorate: Decorate, adjustPlan?: AdjustPlan): PlantedBug['plant'] {
  return (createRaft) => ({
    createRaft: decorated(createRaft, decorate),
    ...(adjustPlan === undefined ? {} : { adjustPlan }),
  });
}

/** A mistake within the core. */
export function within(alterations: readonly Alteration[], adjustPlan?: AdjustPlan): PlantedBug['plant'] {
  return async () => ({
    createRaft: await alteredCore(alterations),
    ...(adjustPlan === undefined ? {} : { adjustPlan }),
  });
}
