import { BLANK_STATE } from '../register-machine.ts';
import { DiskImage } from '../sim-disk.ts';
import type { Decorate } from './decorated.ts';
import { committing, learnersCount } from './early-commits.ts';
import { busyMembership, restless } from './plans.ts';
import { around, within } from './planted-bug.ts';
import type { PlantedBug } from './planted-bug.ts';

/** Several changes at once, without a joint phase: old and new majorities need not overlap. */
const withoutJointPhase: Decorate = (inner) => ({
  applyMembership(change) {
    if (change.kind === 'leave') return inner.applyMembership(change);
    let membership = inner.status().membership;
    for (const step of change.steps) membership = inner.applyMembership({ ...change, steps: [step] });
    return membership;
  },
});

/** What a new disk holds, or one that was wiped, though the node keeps its number. */
function blankDisk(): DiskImage {
  return new DiskImage({ term: 0, vote: 0, commit: 0 }, BLANK_STATE, { index: 0, term: 0 });
}

/** Who belongs to the group, and when. */
export const MEMBERSHIP_BUGS: readonly PlantedBug[] = [
  {
    name: 'members change several at a time without a joint phase',
    sources: ['ktoso/akka-raft#49', 'redpanda-data/redpanda#17675', 'Ongaro and Ousterhout 2014, figure 10'],
    caughtBy: ['election safety', 'state machine safety', 'leader completeness', 'linearizability'],
    seed: 5,
    plant: around(withoutJointPhase, (plan) => ({
      ...plan,
      voters: 3,
      partition: { ...plan.partition, mean: 2000 },
      membership: { mean: 1500, stepsMax: 5 },
    })),
  },
  {
    name: 'learners count in the quorum',
    sources: ['lni/dragonboat#94', 'Mininglamp-OSS/octo-im#43'],
    caughtBy: ['state machine safety', 'leader completeness', 'linearizability'],
    seed: 6,
    plant: around(committing(learnersCount), (plan) => ({ ...restless(plan), learners: 2 })),
  },
  {
    name: 'in a joint phase the new group commits alone',
    sources: ['async-raft/async-raft#62', 'camunda/camunda#60086'],
    caughtBy: ['commit by quorum', 'state machine safety', 'leader completeness'],
    seed: 2,
    plant: within(
      [
        {
          file: 'replication.ts',
          find: 'quorumIndex(core.membership, (peer) => core.progress.get(peer)?.match ?? 0);',
          replace:
            'quorumIndex({ ...core.membership, votersOutgoing: [] }, (peer) => core.progress.get(peer)?.match ?? 0);',
        },
      ],
      busyMembership,
    ),
  },
  {
    name: 'in a joint phase the new group elects alone',
    sources: ['async-raft/async-raft#62', 'redpanda-data/redpanda#17675'],
    caughtBy: ['election safety', 'leader completeness', 'check quorum', 'state machine safety'],
    seed: 58,
    plant: within(
      [
        {
          file: 'quorum.ts',
          find: `  if (incoming === 'lost' || outgoing === 'lost') return 'lost';
  return incoming === 'won' && outgoing === 'won' ? 'won' : 'pending';`,
          replace: `  if (incoming === 'won') return 'won';
  return incoming === 'lost' || outgoing === 'lost' ? 'lost' : 'pending';`,
        },
      ],
      (plan) => ({ ...plan, voters: 3, membership: { mean: 1500, stepsMax: 5 } }),
    ),
  },
  {
    name: 'a change is taken while another is under way',
    sources: ['etcd-io/etcd#11284', 'etcd-io/etcd#5004', 'redpanda-data/redpanda#17675'],
    caughtBy: ['election safety', 'state machine safety', 'leader completeness', 'commit by quorum', 'linearizability'],
    seed: 2,
    plant: within(
      [
        {
          file: 'membership-changes.ts',
          find: '  const pending = core.pendingChangeIndex > core.log.applied;',
          replace: '  const pending = core.pendingChangeIndex < 0;',
        },
      ],
      (plan) => ({ ...busyMembership(plan), membership: { mean: 150, stepsMax: 1 } }),
    ),
  },
  {
    name: 'a node campaigns that has not applied a change it knows to be committed',
    sources: ['etcd-io/etcd#12134', 'etcd-io/etcd#7625', 'etcd-io/raft#234'],
    caughtBy: ['election safety', 'state machine safety', 'leader completeness', 'commit by quorum', 'linearizability'],
    seed: 34,
    plant: within(
      [
        {
          file: 'election.ts',
          find: '  if (hasUnappliedChange(core)) return;',
          replace: '  if (core.id === 0 && hasUnappliedChange(core)) return;',
        },
      ],
      (plan) => ({ ...busyMembership(plan), applyDelayMax: 4000, membership: { mean: 300, stepsMax: 2 } }),
    ),
  },
  {
    name: 'nobody leaves the joint phase once its leader is gone',
    sources: ['tikv/raft-rs#101', 'etcd-io/raft@bd3c759'],
    caughtBy: ['liveness'],
    seed: 5,
    plant: within(
      [
        {
          file: 'raft-core.ts',
          find: `    core.appliedMembership = core.membership;
    leaveJointWhenDue(core);`,
          replace: `    core.appliedMembership = core.membership;
    if (core.log.lastIndex <= index + 3 && core.pendingChangeIndex === index) leaveJointWhenDue(core);`,
        },
      ],
      (plan) => ({ ...busyMembership(plan), applyDelayMax: 0 }),
    ),
  },
  {
    name: 'a leader that is removed goes at once, though the others still count on its vote',
    sources: ['etcd-io/etcd#11284', 'sofastack/sofa-jraft#940'],
    caughtBy: ['liveness'],
    seed: 49,
    plant: within(
      [
        {
          file: 'election.ts',
          find: `  if (core.role !== 'leader' && !core.promotable && !trying) attempt(core, false);`,
          replace: `  if (core.id === 0 && !trying) attempt(core, false);`,
        },
        {
          file: 'retirement.ts',
          find: `  if (known < core.pendingChangeIndex) return;`,
          replace: `  if (known < 0) return;`,
        },
      ],
      (plan) => ({ ...busyMembership(plan), stopRemoved: true }),
    ),
  },
  {
    name: 'the members of a snapshot are not taken over',
    sources: ['scylladb/scylladb#9551', 'lni/dragonboat#94'],
    caughtBy: ['liveness', 'assertion', 'election safety', 'commit by quorum', 'stability'],
    seed: 1,
    plant: within(
      [
        {
          file: 'snapshots.ts',
          find: '  core.membership = meta.membership;\n  core.appliedMembership = meta.membership;\n',
          replace: '',
        },
      ],
      busyMembership,
    ),
  },
  {
    name: 'a node that lost its disk comes back as the member it was',
    sources: ['rethinkdb/rethinkdb#5289', 'etcd-io/etcd#11726'],
    caughtBy: [
      'monotonic term',
      'one vote a term',
      'leader completeness',
      'commit by quorum',
      'state machine safety',
      'assertion',
    ],
    seed: 2,
    plant: (createRaft) => ({ createRaft, reopen: (contents, id) => (id === 2 ? blankDisk() : contents) }),
  },
];
