import { UNITS_PER_TICK } from './event-queue.ts';
import type { SeededRandom } from './seeded-random.ts';

/** Times are in units of the event queue, means of intervals likewise; a mean of 0 is "never". */
export interface FaultPlan {
  /** Nodes 1 to `voters` vote from the start; then come the learners. */
  readonly voters: number;
  readonly learners: number;
  /** At most so many nodes at a time, with those that join. */
  readonly nodesMax: number;
  readonly raft: {
    readonly electionTicks: number;
    readonly heartbeatTicks: number;
    readonly appendBytesMax: number;
    readonly inflightMax: number;
    readonly uncommittedBytesMax: number;
  };
  readonly network: NetworkPlan;
  readonly disk: DiskPlan;
  /** Between commit and application. */
  readonly applyDelayMax: number;
  /** A log longer than this is compacted; 0 never. */
  readonly compactAfter: number;
  /** So many applied entries are kept by compaction. */
  readonly compactKeeps: number;
  /** Snapshots that fail to install. */
  readonly installFailsPerMille: number;
  readonly clock: { readonly driftPerCent: number; readonly pauseMean: number; readonly pauseMax: number };
  readonly crash: { readonly mean: number; readonly downMax: number };
  readonly partition: PartitionPlan;
  /** All that is on its way to a node takes up to `lagMax` longer, and half of the time it is not heard either. */
  readonly lag: { readonly mean: number; readonly lagMax: number; readonly lengthMax: number };
  readonly membership: { readonly mean: number; readonly stepsMax: number };
  readonly transferMean: number;
  /** Transfers during which the node that is to take over crashes. */
  readonly transferFailsPerMille: number;
  readonly campaignMean: number;
  readonly clients: ClientPlan;
  /** Nodes that are no members any more are shut down. */
  readonly stopRemoved: boolean;
  /** Where the members never change: a minority of the voters stays down in the calm. */
  readonly minorityStaysDown: boolean;
}

export interface DiskPlan {
  readonly syncMin: number;
  readonly syncMax: number;
  /** Crashes that some unsynced writes survive. */
  readonly tearPerMille: number;
  /** Syncs that take up to `stallMax`: a disk that is stuck for a while. */
  readonly stallPerMille: number;
  readonly stallMax: number;
}

export interface PartitionPlan {
  readonly mean: number;
  readonly lengthMax: number;
  /** Some work in one direction only. */
  readonly asymmetric: boolean;
  /** Some cut single links, so that who hears whom is no matter of groups (Alfatafta et al. 2020, OSDI). */
  readonly partial: boolean;
}

export interface NetworkPlan {
  readonly delayMin: number;
  readonly delayMax: number;
  /** Messages that take up to twenty times as long, and so overtake nothing but are overtaken. */
  readonly slowPerMille: number;
  readonly lossPerMille: number;
  readonly duplicatePerMille: number;
  /** Messages that come a second time up to `lateMax` later, to another life of the node perhaps. */
  readonly latePerMille: number;
  readonly lateMax: number;
  /** Losses of which the sender's transport tells the core. */
  readonly noticePerMille: number;
}

export interface ClientPlan {
  readonly count: number;
  readonly keys: number;
  readonly readPerMille: number;
  readonly casPerMille: number;
  /** Calls that go to the node believed to lead. */
  readonly toLeaderPerMille: number;
  readonly thinkMax: number;
  readonly timeout: number;
  /** Writes that reach a follower go on to the leader. */
  readonly forward: boolean;
}

const TICK = UNITS_PER_TICK;

/**
 * Draws what a run has to stand. Each kind of fault is absent from some runs (Groce et al. 2012, "swarm testing"):
 * faults that all happen at once hide each other.
 */
export function drawPlan(random: SeededRandom): FaultPlan {
  const voters = random.pick([1, 2, 3, 3, 3, 3, 4, 5, 5, 5]);
  const learners = random.pick([0, 0, 0, 1, 2]);
  const mean = (perMille: number, ticks: number): number =>
    random.chance(perMille) ? random.between(Math.ceil(ticks / 3), ticks) * TICK : 0;
  const electionTicks = random.between(5, 12);
  const syncMax = random.pick([5, 30, 100, 300]);
  return {
    voters,
    learners,
    nodesMax: 7,
    raft: {
      electionTicks,
      heartbeatTicks: random.between(1, 2),
      appendBytesMax: random.pick([1, 200, 1000, 65_536]),
      inflightMax: random.pick([1, 2, 8, 64]),
      uncommittedBytesMax: random.pick([400, 4000, 1_000_000]),
    },
    network: drawNetwork(random, electionTicks),
    disk: {
      syncMin: 1,
      syncMax,
      tearPerMille: random.pick([0, 500, 900]),
      stallPerMille: random.pick([0, 0, 0, 5, 20]),
      stallMax: 4 * electionTicks * TICK,
    },
    applyDelayMax: random.pick([0, 20, 200]),
    compactAfter: random.pick([0, 2, 8, 30]),
    compactKeeps: random.pick([0, 3, 10]),
    installFailsPerMille: random.pick([0, 0, 300]),
    clock: {
      driftPerCent: random.pick([0, 10, 40]),
      pauseMean: mean(400, 90),
      pauseMax: random.pick([1, 3, 8]) * electionTicks * TICK,
    },
    crash: { mean: mean(700, 90), downMax: random.between(1, 6) * electionTicks * TICK },
    partition: {
      mean: mean(700, 90),
      lengthMax: 5 * electionTicks * TICK,
      asymmetric: random.chance(500),
      partial: random.chance(500),
    },
    lag: { mean: mean(300, 90), lagMax: 3 * electionTicks * TICK, lengthMax: 5 * electionTicks * TICK },
    membership: { mean: mean(500, 60), stepsMax: random.between(1, 4) },
    transferMean: mean(400, 60),
    transferFailsPerMille: random.pick([0, 300]),
    campaignMean: mean(200, 60),
    clients: drawClients(random),
    stopRemoved: random.chance(500),
    minorityStaysDown: random.chance(400),
  };
}

function drawNetwork(random: SeededRandom, electionTicks: number): NetworkPlan {
  return {
    delayMin: 1,
    delayMax: random.pick([3, 20, 80, 250]),
    slowPerMille: random.pick([0, 0, 10, 50]),
    lossPerMille: random.pick([0, 0, 10, 50, 200]),
    duplicatePerMille: random.pick([0, 0, 10, 100]),
    latePerMille: random.pick([0, 0, 5, 30]),
    lateMax: 10 * electionTicks * TICK,
    noticePerMille: random.pick([0, 300, 1000]),
  };
}

function drawClients(random: SeededRandom): ClientPlan {
  return {
    count: random.between(1, 6),
    keys: random.between(1, 3),
    readPerMille: random.pick([200, 500, 800]),
    casPerMille: random.pick([0, 200, 400]),
    toLeaderPerMille: random.pick([0, 500, 900]),
    thinkMax: random.pick([20, 100, 500]),
    timeout: random.between(10, 40) * TICK,
    forward: random.chance(600),
  };
}

const CALM_DELAY_MAX = 20;
const CALM_SYNC_MAX = 30;

/**
 * Whether clocks are so much alike that in the calm no follower may lose its leader, nor a leader its followers: the
 * fastest clock's election timeout against two heartbeats of the slowest, with ways and disks.
 */
export function isRestful({ raft, clock }: FaultPlan): boolean {
  const shortest = raft.electionTicks * (TICK - clock.driftPerCent);
  return shortest > 2 * (raft.heartbeatTicks * (TICK + clock.driftPerCent) + 2 * (CALM_DELAY_MAX + CALM_SYNC_MAX));
}

/** The faults of a run after which the cluster must get well: none, but for what clocks and disks always are. */
export function calmPlan(plan: FaultPlan): FaultPlan {
  return {
    ...plan,
    network: {
      ...plan.network,
      delayMax: Math.min(plan.network.delayMax, CALM_DELAY_MAX),
      slowPerMille: 0,
      lossPerMille: 0,
      duplicatePerMille: 0,
      latePerMille: 0,
    },
    disk: { ...plan.disk, syncMax: Math.min(plan.disk.syncMax, CALM_SYNC_MAX), stallPerMille: 0 },
    installFailsPerMille: 0,
    clock: { ...plan.clock, pauseMean: 0 },
    crash: { ...plan.crash, mean: 0 },
    partition: { ...plan.partition, mean: 0 },
    lag: { ...plan.lag, mean: 0 },
    membership: { ...plan.membership, mean: 0 },
    transferMean: 0,
    campaignMean: 0,
  };
}
