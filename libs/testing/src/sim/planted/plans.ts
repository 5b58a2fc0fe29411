import { UNITS_PER_TICK } from '../event-queue.ts';
import type { FaultPlan } from '../fault-plan.ts';

/** Membership and compaction off: the mistakes that hand out entries early would trip over their own feet there. */
export function plain(plan: FaultPlan): FaultPlan {
  return { ...plan, compactAfter: 0, membership: { ...plan.membership, mean: 0 } };
}

/** Many leaders that come and go with few followers at hand, for mistakes that only that shows. */
export function restless(plan: FaultPlan): FaultPlan {
  return {
    ...plain(plan),
    voters: Math.max(3, plan.voters),
    crash: { mean: 2000, downMax: 3000 },
    partition: { ...plan.partition, mean: 1500 },
  };
}

/**
 * As restless as figure 8 needs it: leaders are cut off between replicating an earlier term's entry and one of their
 * own, and entries go one by one, so that there is such a moment.
 */
export function figureEight(plan: FaultPlan): FaultPlan {
  return {
    ...plain(plan),
    voters: 3,
    learners: 0,
    raft: { ...plan.raft, electionTicks: 5, heartbeatTicks: 1, appendBytesMax: 1, inflightMax: 1 },
    network: { ...plan.network, delayMax: 150, slowPerMille: 0, lossPerMille: 100 },
    disk: { ...plan.disk, syncMax: 5 },
    applyDelayMax: 0,
    clock: { driftPerCent: 40, pauseMean: 500, pauseMax: 1500 },
    crash: { mean: 1000, downMax: 100 },
    partition: { mean: 800, lengthMax: 2500, asymmetric: true, partial: false },
    clients: { ...plan.clients, count: 10, readPerMille: 0, thinkMax: 200, toLeaderPerMille: 900 },
  };
}

/** Elections with crashes among them. */
export function votesAndCrashes(plan: FaultPlan): FaultPlan {
  return { ...plan, voters: 3, crash: { mean: 300, downMax: 50 }, campaignMean: 200 };
}

/** Elections all the time, with words that come twice, late, or both. */
export function earlyElections(plan: FaultPlan): FaultPlan {
  const lateMax = 2 * plan.raft.electionTicks * UNITS_PER_TICK;
  return {
    ...plan,
    voters: Math.max(4, plan.voters),
    network: { ...plan.network, delayMax: 250, slowPerMille: 50, duplicatePerMille: 300, latePerMille: 200, lateMax },
    campaignMean: 200,
    crash: { mean: 1500, downMax: 300 },
    partition: { ...plan.partition, mean: 1000 },
  };
}

/** Leaders that write much and lose the lead before others have it, so that logs of different terms and lengths meet. */
export function crowded(plan: FaultPlan): FaultPlan {
  return {
    ...plan,
    voters: Math.max(3, plan.voters),
    compactAfter: 0,
    membership: { ...plan.membership, mean: 0 },
    raft: { ...plan.raft, inflightMax: 1 },
    crash: { mean: 1500, downMax: 800 },
    partition: { ...plan.partition, mean: 1000, lengthMax: 2000 },
    clients: { ...plan.clients, count: 8, readPerMille: 100, thinkMax: 20, toLeaderPerMille: 500 },
  };
}

/** Members that come and go all the time, and machines that apply late. */
export function busyMembership(plan: FaultPlan): FaultPlan {
  return {
    ...plan,
    voters: Math.max(3, plan.voters),
    applyDelayMax: 400,
    partition: { ...plan.partition, mean: 1500 },
    membership: { mean: 700, stepsMax: 4 },
  };
}

/** Reads everywhere, and leaders that do not notice that they are not: pauses, cuts, drift. */
export function manyReads(plan: FaultPlan): FaultPlan {
  return {
    ...plan,
    voters: Math.max(3, plan.voters),
    clock: { driftPerCent: 40, pauseMean: 1500, pauseMax: 4 * plan.raft.electionTicks * UNITS_PER_TICK },
    partition: { ...plan.partition, mean: 1500 },
    clients: { ...plan.clients, count: 6, keys: 1, readPerMille: 600, thinkMax: 20, toLeaderPerMille: 500 },
  };
}

/** Followers that fall behind a log that is cut short, so that they need snapshots. */
export function manySnapshots(plan: FaultPlan): FaultPlan {
  return {
    ...plan,
    voters: Math.max(3, plan.voters),
    compactAfter: 2,
    compactKeeps: 0,
    crash: { mean: 2000, downMax: 3 * plan.raft.electionTicks * UNITS_PER_TICK },
    partition: { ...plan.partition, mean: 2000 },
  };
}

/** Three voters of which one hears late and is not heard, again and again, while many read. */
export function deafAndMute(plan: FaultPlan): FaultPlan {
  return {
    ...plan,
    voters: 3,
    learners: 0,
    raft: { ...plan.raft, electionTicks: 5, heartbeatTicks: 1 },
    network: { ...plan.network, delayMax: 20, slowPerMille: 0, lossPerMille: 0 },
    disk: { ...plan.disk, syncMax: 5, stallPerMille: 0 },
    applyDelayMax: 0,
    compactAfter: 0,
    clock: { driftPerCent: 10, pauseMean: 0, pauseMax: 1 },
    crash: { mean: 0, downMax: 1 },
    partition: { ...plan.partition, mean: 0 },
    lag: { mean: 1500, lagMax: 2000, lengthMax: 3000 },
    membership: { ...plan.membership, mean: 0 },
    clients: { ...plan.clients, count: 6, keys: 1, readPerMille: 700, thinkMax: 60, toLeaderPerMille: 0, timeout: 300 },
  };
}

/** Three voters and two learners, cut apart again and again. */
export function cutOffLearners(plan: FaultPlan): FaultPlan {
  return {
    ...plan,
    voters: 3,
    learners: 2,
    raft: { ...plan.raft, electionTicks: 5, heartbeatTicks: 1 },
    network: { ...plan.network, delayMax: 20, slowPerMille: 0, lossPerMille: 0 },
    disk: { ...plan.disk, syncMax: 5, stallPerMille: 0 },
    applyDelayMax: 0,
    compactAfter: 0,
    clock: { driftPerCent: 40, pauseMean: 0, pauseMax: 1 },
    crash: { mean: 0, downMax: 1 },
    partition: { mean: 700, lengthMax: 1500, asymmetric: false, partial: false },
    lag: { ...plan.lag, mean: 0 },
    membership: { ...plan.membership, mean: 0 },
    clients: { ...plan.clients, count: 8, keys: 1, readPerMille: 800, thinkMax: 60, toLeaderPerMille: 0, timeout: 200 },
  };
}

/** Leaders that go down for good as soon as they are elected, with logs of their own. */
export function brieflyLed(plan: FaultPlan): FaultPlan {
  return {
    ...crowded(plan),
    voters: 3,
    learners: 0,
    campaignMean: 300,
    crash: { mean: 600, downMax: 400 },
    minorityStaysDown: true,
  };
}

/** As crowded, with one entry in an append. */
export function oneByOne(plan: FaultPlan): FaultPlan {
  const crowd = crowded(plan);
  return { ...crowd, voters: Math.max(3, plan.voters), raft: { ...crowd.raft, appendBytesMax: 1 } };
}
