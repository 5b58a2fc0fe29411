import type { CreateRaft, Entry, LogIndex, LogReader, Raft, RaftStatus, Ready, RestoredState } from 'raft-ts';
import type { FaultPlan } from './fault-plan.ts';
import type { Batch } from './sim-disk.ts';
import { SimDisk } from './sim-disk.ts';
import type { SimulationSetup } from './simulation.ts';
import type { Invariant } from './violation.ts';

/** A mistake of a kind that was made in Raft implementations before, put around a right one from outside. */
export interface PlantedBug {
  readonly name: string;
  /** What must notice it. */
  readonly caughtBy: readonly Invariant[];
  /** The simulation of the mistake. */
  readonly plant: (createRaft: CreateRaft) => SimulationSetup;
}

/** Makes what is to be replaced of a core's methods. */
export type Decorate = (inner: Raft, restored: RestoredState, log: LogReader) => Partial<Raft>;

/** All that a core can do, passed on, but for what `decorate` replaces. */
export function decorated(createRaft: CreateRaft, decorate: Decorate): CreateRaft {
  return (config, restored, log) => {
    const inner = createRaft(config, restored, log);
    return {
      tick: () => inner.tick(),
      step: (message) => inner.step(message),
      propose: (data) => inner.propose(data),
      proposeMembership: (change) => inner.proposeMembership(change),
      readIndex: (request) => inner.readIndex(request),
      campaign: () => inner.campaign(),
      transferLeadership: (to) => inner.transferLeadership(to),
      reportUnreachable: (peer) => inner.reportUnreachable(peer),
      reportSnapshot: (peer, outcome) => inner.reportSnapshot(peer, outcome),
      snapshotInstalled: (meta) => inner.snapshotInstalled(meta),
      snapshotFailed: () => inner.snapshotFailed(),
      hasReady: () => inner.hasReady(),
      ready: () => inner.ready(),
      advance: () => inner.advance(),
      appliedTo: (index) => inner.appliedTo(index),
      applyMembership: (change) => inner.applyMembership(change),
      status: () => inner.status(),
      ...decorate(inner, restored, log),
    };
  };
}

/** The leader answers reads from what it has, without asking whether it still leads. */
const staleRead: Decorate = (inner) => {
  const answered: { request: number; index: LogIndex }[] = [];
  return {
    readIndex(request) {
      const { role, commit } = inner.status();
      if (role === 'leader') answered.push({ request, index: commit });
      else inner.readIndex(request);
    },
    hasReady: () => answered.length > 0 || inner.hasReady(),
    ready() {
      const ready = inner.ready();
      return { ...ready, readStates: [...ready.readStates, ...answered.splice(0)] };
    },
  };
};

/** What a leader takes for committed, wrongly. */
type CommitRule = (status: RaftStatus, log: LogReader) => LogIndex;

/** The leader hands out entries as committed by a rule of its own. */
function committing(rule: CommitRule): Decorate {
  return (inner, restored, log) => {
    let handedOut = restored.applied;
    let appliedByHost = restored.applied;
    let innerHandedOut = restored.applied;
    let innerApplied = restored.applied;
    const claim = (): LogIndex => {
      const status = inner.status();
      return status.role === 'leader' ? Math.min(rule(status, log), log.lastIndex()) : 0;
    };
    const tell = (): void => {
      const upTo = Math.min(appliedByHost, innerHandedOut);
      if (upTo <= innerApplied) return;
      innerApplied = upTo;
      inner.appliedTo(upTo);
    };
    return {
      hasReady: () => inner.hasReady() || claim() > handedOut,
      ready() {
        const ready = inner.ready();
        innerHandedOut = ready.committed.at(-1)?.index ?? innerHandedOut;
        const committed = ready.committed.filter(({ index }) => index > handedOut);
        handedOut = committed.at(-1)?.index ?? handedOut;
        const extra = claimed(handedOut + 1, claim(), ready, log);
        handedOut = extra.at(-1)?.index ?? handedOut;
        return { ...ready, committed: [...committed, ...extra] };
      },
      advance() {
        inner.advance();
        tell();
      },
      appliedTo(index) {
        appliedByHost = index;
        tell();
      },
    };
  };
}

function claimed(from: LogIndex, to: LogIndex, ready: Ready, log: LogReader): readonly Entry[] {
  const replacedFrom = ready.entries[0]?.index ?? Infinity;
  const end = Math.min(to + 1, replacedFrom);
  return end > from ? (log.entries(from, end, Infinity) ?? []) : [];
}

/** The index that `count` of the peers have, in a leader's eyes. */
function reached(status: RaftStatus, log: LogReader, peers: readonly number[], count: number): LogIndex {
  const matches = peers.map((peer) =>
    peer === status.id ? log.lastIndex() : (status.progress.find((progress) => progress.peer === peer)?.match ?? 0),
  );
  return matches.toSorted((a, b) => b - a)[count - 1] ?? 0;
}

const majority = (peers: readonly number[]): number => Math.floor(peers.length / 2) + 1;

/** Figure 8 of the paper: an entry of an earlier term is on a majority, and can be replaced nevertheless. */
const oldTermByCounting: CommitRule = (status, log) =>
  reached(status, log, status.membership.voters, majority(status.membership.voters));

const withoutQuorum: CommitRule = (_, log) => log.lastIndex();

const learnersCount: CommitRule = (status, log) => {
  const { voters, learners } = status.membership;
  const index = reached(status, log, [...voters, ...learners], majority(voters));
  return log.term(index) === status.term ? index : 0;
};

/** Several changes at once, without a joint phase: old and new majorities need not overlap. */
const withoutJointPhase: Decorate = (inner) => ({
  applyMembership(change) {
    if (change.kind === 'leave') return inner.applyMembership(change);
    let membership = inner.status().membership;
    for (const step of change.steps) membership = inner.applyMembership({ ...change, steps: [step] });
    return membership;
  },
});

/** Says yes before it is on the disk. */
const earlyAnswer: Decorate = (inner) => ({
  ready() {
    const ready = inner.ready();
    return { ...ready, earlyMessages: [...ready.earlyMessages, ...ready.messages], messages: [] };
  },
});

/** Votes for everyone, however little they have. */
const blindVote: Decorate = (inner) => ({
  step(message) {
    const asks = message.kind === 'vote' || message.kind === 'pre-vote';
    inner.step(asks ? { ...message, lastIndex: 2 ** 40, lastTerm: message.term } : message);
  },
});

class LyingDisk extends SimDisk {
  override complete(batch: Batch): void {
    super.complete(batch, false);
  }
}

/** Membership and compaction off: the mistakes that hand out entries early would trip over their own feet there. */
function plain(plan: FaultPlan): FaultPlan {
  return { ...plan, compactAfter: 0, membership: { ...plan.membership, mean: 0 } };
}

/** Many leaders that come and go with few followers at hand, for mistakes that only that shows. */
function restless(plan: FaultPlan): FaultPlan {
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
function figureEight(plan: FaultPlan): FaultPlan {
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
    partition: { mean: 800, lengthMax: 2500, asymmetric: true },
    clients: { ...plan.clients, count: 10, readPerMille: 0, thinkMax: 200, toLeaderPerMille: 900 },
  };
}

/** Elections with crashes among them. */
function votesAndCrashes(plan: FaultPlan): FaultPlan {
  return { ...plan, voters: 3, crash: { mean: 300, downMax: 50 }, campaignMean: 200 };
}

function around(decorate: Decorate, adjustPlan?: (plan: FaultPlan) => FaultPlan): PlantedBug['plant'] {
  return (createRaft) => ({
    createRaft: decorated(createRaft, decorate),
    ...(adjustPlan === undefined ? {} : { adjustPlan }),
  });
}

/** Each must be found; see the spec. */
export const PLANTED_BUGS: readonly PlantedBug[] = [
  { name: 'a leader answers reads without a round', caughtBy: ['linearizability'], plant: around(staleRead) },
  {
    name: 'a vote is forgotten over a restart',
    caughtBy: ['one vote a term', 'election safety'],
    plant: (createRaft) => ({
      createRaft: (config, restored, log) =>
        createRaft(config, { ...restored, hardState: { ...restored.hardState, vote: 0 } }, log),
      adjustPlan: votesAndCrashes,
    }),
  },
  {
    name: "an earlier term's entry is committed by counting",
    caughtBy: ['state machine safety', 'leader completeness', 'linearizability'],
    plant: around(committing(oldTermByCounting), figureEight),
  },
  {
    name: 'entries are applied before a quorum has them',
    caughtBy: ['state machine safety', 'leader completeness', 'linearizability'],
    plant: around(committing(withoutQuorum), plain),
  },
  {
    name: 'a follower answers before its disk has synced',
    caughtBy: ['commit by quorum', 'leader completeness', 'one vote a term', 'monotonic term'],
    plant: around(earlyAnswer),
  },
  {
    name: 'the disk lies about its syncs',
    caughtBy: ['commit by quorum', 'leader completeness', 'one vote a term', 'monotonic term'],
    plant: (createRaft) => ({ createRaft, makeDisk: (contents) => new LyingDisk(contents) }),
  },
  {
    name: 'learners count in the quorum',
    caughtBy: ['state machine safety', 'leader completeness', 'linearizability'],
    plant: around(committing(learnersCount), (plan) => ({ ...restless(plan), learners: 2 })),
  },
  {
    name: 'members change several at a time without a joint phase',
    caughtBy: ['election safety', 'state machine safety', 'leader completeness', 'linearizability'],
    plant: around(withoutJointPhase, (plan) => ({
      ...plan,
      voters: 3,
      partition: { ...plan.partition, mean: 2000 },
      membership: { mean: 1500, stepsMax: 5 },
    })),
  },
  {
    name: 'votes go to candidates that lack committed entries',
    caughtBy: ['leader completeness', 'state machine safety'],
    plant: around(blindVote),
  },
];
