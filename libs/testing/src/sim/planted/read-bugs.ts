import type { LogIndex } from 'raft-ts';
import type { Decorate } from './decorated.ts';
import { cutOffLearners, earlyElections, deafAndMute, manyReads } from './plans.ts';
import { around, within } from './planted-bug.ts';
import type { PlantedBug } from './planted-bug.ts';

/** The leader answers reads from what it has, if it is sure in its own way that it still leads. */
function answeringAlone(sure: (inner: Parameters<Decorate>[0]) => boolean): Decorate {
  return (inner) => {
    const answered: { request: number; index: LogIndex }[] = [];
    return {
      readIndex(request) {
        const { role, commit } = inner.status();
        if (role === 'leader' && sure(inner)) answered.push({ request, index: commit });
        else inner.readIndex(request);
      },
      hasReady: () => answered.length > 0 || inner.hasReady(),
      ready() {
        const ready = inner.ready();
        return { ...ready, readStates: [...ready.readStates, ...answered.splice(0)] };
      },
    };
  };
}

/** A lease by the leader's own clock, as long as an election timeout, from the last word of each. */
const byLease = answeringAlone((inner) => {
  const { progress, membership } = inner.status();
  const active = progress.filter(({ peer, recentlyActive }) => recentlyActive && membership.voters.includes(peer));
  return 2 * active.length > membership.voters.length;
});

/** Answers as soon as the index is known, whatever is applied. */
const unwaited: Decorate = (inner) => ({
  ready() {
    const ready = inner.ready();
    const readStates = ready.readStates.map((state) => ('failed' in state ? state : { ...state, index: 0 }));
    return { ...ready, readStates };
  },
});

/** Who may answer a read, and with what. */
export const READ_BUGS: readonly PlantedBug[] = [
  {
    name: 'a leader answers reads without a round',
    sources: ['https://aphyr.com/posts/316-call-me-maybe-etcd-and-consul', 'andrewjstone/rafter#8'],
    caughtBy: ['linearizability'],
    seed: 28,
    plant: around(answeringAlone(() => true)),
  },
  {
    name: 'a leader answers reads by a lease that others do not keep',
    sources: ['etcd-io/raft#99', 'etcd-io/raft#166'],
    caughtBy: ['linearizability'],
    seed: 3,
    plant: around(byLease, manyReads),
  },
  {
    name: 'a new leader answers reads before it has committed an entry of its own',
    sources: ['etcd-io/etcd#7331', 'tikv/tikv#9239', 'tikv/tikv#6340', 'RedisLabs/redisraft#22', 'adjoint-io/raft#54'],
    caughtBy: ['linearizability'],
    seed: 16,
    plant: within([
      { file: 'read-index.ts', find: '  if (!core.committedInTerm) {', replace: '  if (core.id === 0) {' },
    ]),
  },
  {
    name: 'any answer to a heartbeat confirms the reads that wait, whenever it was sent',
    sources: ['etcd-io/etcd#20418', 'etcd-io/raft#397'],
    caughtBy: ['linearizability'],
    seed: 38,
    plant: within(
      [
        {
          file: 'replication.ts',
          find: `  if (message.round > progress.ackedRound) {
    progress.ackedRound = message.round;`,
          replace: `  if (core.reads.round > progress.ackedRound) {
    progress.ackedRound = core.reads.round;`,
        },
      ],
      deafAndMute,
    ),
  },
  {
    name: 'a read joins a round of heartbeats that is under way',
    sources: ['etcd-io/etcd#20418', 'etcd-io/raft#397'],
    caughtBy: ['linearizability'],
    seed: 1081,
    plant: within(
      [
        {
          file: 'read-index.ts',
          find: '  if (!reads.roundOpen || reads.rounds.length === 0) {',
          replace: '  if (reads.rounds.length === 0) {',
        },
      ],
      deafAndMute,
    ),
  },
  {
    name: 'a read is confirmed by learners',
    sources: ['Ongaro 2014, sections 4.2.1 and 6.4'],
    caughtBy: ['linearizability'],
    seed: 132,
    plant: within(
      [
        {
          file: 'read-index.ts',
          find: '  const confirmed = quorumIndex(core.membership, (peer) =>',
          replace: `  const { voters, learners } = core.membership;
  const everybody = { ...core.membership, voters: [...voters, ...learners] };
  const confirmed = quorumIndex(everybody, (peer) =>`,
        },
      ],
      cutOffLearners,
    ),
  },
  {
    name: 'a read does not wait until its index is applied',
    sources: ['etcd-io/etcd#13464', 'etcd-io/etcd#3879'],
    caughtBy: ['linearizability'],
    seed: 3,
    plant: around(unwaited),
  },
  {
    name: "an answer to an earlier life's read is taken for this one's",
    sources: ['etcd-io/raft@5a1e8a2', 'etcd-io/etcd#20418'],
    caughtBy: ['linearizability'],
    seed: 36,
    plant: within(
      [{ file: 'core-state.ts', find: 'new PendingReads(config.random(2 ** 40))', replace: 'new PendingReads(0)' }],
      (plan) => ({
        ...manyReads(earlyElections(plan)),
        voters: 3,
        campaignMean: 0,
        partition: { ...plan.partition, mean: 0 },
        clock: { ...plan.clock, pauseMean: 0 },
        crash: { mean: 1000, downMax: 100 },
        clients: { ...plan.clients, count: 8, keys: 1, readPerMille: 500, thinkMax: 20, toLeaderPerMille: 0 },
      }),
    ),
  },
];
