import type { Alteration } from './altered-core.ts';
import type { Decorate } from './decorated.ts';
import { committing, oldTermByCounting, withoutQuorum } from './early-commits.ts';
import { crowded, figureEight, oneByOne, plain } from './plans.ts';
import { around, within } from './planted-bug.ts';
import type { PlantedBug } from './planted-bug.ts';

/** Hands out what is refused or lost a second time: the client, or the proxy, had tried again. */
const proposedTwice: Decorate = (inner) => {
  let again: Uint8Array[] = [];
  let ticks = 0;
  return {
    propose(data) {
      const outcome = inner.propose(data);
      if (outcome.accepted && again.length < 4) again.push(...data);
      return outcome;
    },
    tick() {
      inner.tick();
      ticks += 1;
      if (ticks % 4 !== 0 || again.length === 0) return;
      inner.propose(again);
      again = [];
    },
  };
};

/** Says that it did not take what it took. */
const deniedProposal: Decorate = (inner) => {
  let count = 0;
  return {
    propose(data) {
      const outcome = inner.propose(data);
      count += 1;
      return outcome.accepted && count % 10 === 0 ? { accepted: false, reason: 'busy' } : outcome;
    },
  };
};

/**
 * A leader that goes back too far after a refusal, as many do: no mistake, but what makes some visible. Ours finds the
 * very entry where the logs part.
 */
const COARSE_BACK_UP: Alteration = {
  file: 'replication.ts',
  find: '  const hint = hintTerm > 0 ? core.log.lastWithTermUpTo(hintIndex, hintTerm) : hintIndex;',
  replace: '  const hint = Math.max(0, hintIndex - 3 - Math.min(0, hintTerm));',
};

/** What is in which log, and when it is committed. */
export const REPLICATION_BUGS: readonly PlantedBug[] = [
  {
    name: "an earlier term's entry is committed by counting",
    sources: [
      'Ongaro and Ousterhout 2014, figure 8',
      'logcabin/logcabin#44',
      'microsoft/CCF#4472',
      'microsoft/CCF#5748',
    ],
    caughtBy: ['state machine safety', 'leader completeness', 'linearizability'],
    seed: 67,
    plant: around(committing(oldTermByCounting), figureEight),
  },
  {
    name: 'entries are applied before a quorum has them',
    sources: ['https://jepsen.io/analyses/redis-raft-1b3fbf6', 'https://aphyr.com/posts/284-call-me-maybe-mongodb'],
    caughtBy: ['state machine safety', 'leader completeness', 'linearizability'],
    seed: 12,
    plant: around(committing(withoutQuorum), plain),
  },
  {
    name: 'a follower commits all of its log that the leader has committed somewhere',
    sources: ['atomix/copycat#265', 'scylladb/scylladb#9965', 'rabbitmq/ra#508'],
    caughtBy: ['state machine safety', 'leader completeness', 'assertion'],
    seed: 8,
    plant: within(
      [
        COARSE_BACK_UP,
        {
          file: 'replication.ts',
          find: 'log.commitTo(Math.min(message.commit, outcome.lastIndex));',
          replace: 'log.commitTo(Math.min(message.commit, log.lastIndex));',
        },
      ],
      oneByOne,
    ),
  },
  {
    name: 'heartbeats carry the commit index beyond what the follower is known to have',
    sources: ['etcd-io/raft#139', 'apache/ratis#289'],
    caughtBy: ['state machine safety', 'leader completeness', 'assertion'],
    seed: 35,
    plant: within([
      {
        file: 'heartbeat.ts',
        find: 'const commit = Math.min(progress.match, core.log.commit);',
        replace: 'const { commit } = core.log;',
      },
    ]),
  },
  {
    name: 'a follower cuts its log at the end of every append',
    sources: ['microsoft/CCF#5991', 'microsoft/CCF#6016', 'databendlabs/openraft#511', 'vesoft-inc/nebula#2483'],
    caughtBy: ['leader completeness', 'commit by quorum', 'state machine safety', 'assertion'],
    seed: 53,
    plant: within([
      {
        file: 'raft-log.ts',
        find: `    if (known === entries.length) return { kind: 'matched', lastIndex };`,
        replace: `    if (known === entries.length) {
      if (known > 0 && lastIndex >= this.#commit && lastIndex < this.lastIndex) this.unstable.truncate(lastIndex + 1);
      return { kind: 'matched', lastIndex };
    }`,
      },
    ]),
  },
  {
    name: 'a follower answers with the end of its log instead of that of the append',
    sources: ['microsoft/CCF#6016', 'ravendb/ravendb#9325'],
    caughtBy: ['commit by quorum', 'state machine safety', 'leader completeness', 'assertion'],
    seed: 8,
    plant: within(
      [
        COARSE_BACK_UP,
        {
          file: 'replication.ts',
          find: 'replyToAppend(core, message.from, outcome.lastIndex);',
          replace: 'replyToAppend(core, message.from, log.lastIndex);',
        },
      ],
      oneByOne,
    ),
  },
  {
    name: 'the term of the entry before an append is not compared',
    sources: ['Ongaro and Ousterhout 2014, section 5.3', 'ravendb/ravendb#7135'],
    caughtBy: ['log matching', 'state machine safety', 'commit by quorum', 'leader completeness', 'assertion'],
    seed: 179,
    plant: within([
      {
        file: 'raft-log.ts',
        find: `    if (!this.matches(prevIndex, prevTerm)) return { kind: 'refused' };`,
        replace: `    if (prevTerm < 0 || prevIndex > this.lastIndex) return { kind: 'refused' };`,
      },
    ]),
  },
  {
    name: 'what is committed is handed out in parts, and what did not fit is skipped',
    sources: ['etcd-io/etcd#9982', 'etcd-io/raft@8ecce32'],
    caughtBy: ['order of application', 'state machine safety'],
    seed: 5,
    plant: within([
      {
        file: 'raft-core.ts',
        find: 'const COMMITTED_BYTES_MAX = 4 << 20;',
        replace: 'const COMMITTED_BYTES_MAX = 200;',
      },
      {
        file: 'raft-log.ts',
        find: '    this.#handed += entries.length;\n',
        replace: '    this.#handed = this.#commit;\n',
      },
      {
        file: 'raft-log.ts',
        find: `    assert(entries.at(-1)?.index === this.#handed, 'committed entries are handed out without a gap');\n`,
        replace: '',
      },
    ]),
  },
  {
    name: 'the window of a follower that answers no more is never opened again',
    sources: ['etcd-io/raft#54', 'matrixarkai/TemporalStore#322'],
    caughtBy: ['liveness'],
    seed: 18,
    plant: within([
      {
        file: 'replication.ts',
        find: `  if (progress.state === 'replicate' && progress.window.full) progress.window.freeFirst();\n`,
        replace: '',
      },
    ]),
  },
  {
    name: 'a lost append is not noticed while there is nothing new to send',
    sources: ['etcd-io/raft@85e68cf', 'yugabyte/yugabyte-db#32876'],
    caughtBy: ['liveness'],
    seed: 877,
    plant: within([
      {
        file: 'replication.ts',
        find: `  if (progress.state !== 'replicate' || (progress.match < core.log.lastIndex && quiet)) {`,
        replace: `  if (progress.state !== 'replicate' && (quiet || !quiet)) {`,
      },
    ]),
  },
  {
    name: 'the bytes of committed entries keep counting as uncommitted',
    sources: ['etcd-io/etcd#10199', 'cockroachdb/cockroach#31689'],
    caughtBy: ['liveness'],
    seed: 6,
    plant: within(
      [
        {
          file: 'raft-core.ts',
          find: 'core.uncommittedBytes = Math.max(0, core.uncommittedBytes - entryBytes(entry));',
          replace: 'core.uncommittedBytes = Math.max(0, core.uncommittedBytes - 1);',
        },
      ],
      (plan) => ({ ...plan, raft: { ...plan.raft, uncommittedBytesMax: 4000 } }),
    ),
  },
  {
    name: 'a follower that refuses an append is asked for the same again',
    sources: ['matrixarkai/TemporalStore#114', 'adjoint-io/raft#120'],
    caughtBy: ['liveness', 'quiet'],
    seed: 1,
    plant: within(
      [
        {
          file: 'progress.ts',
          find: '    this.next = Math.max(Math.min(rejected, hint + 1), this.match + 1);',
          replace: '    this.next = Math.max(Math.min(rejected + 1, hint + 1), this.match + 1, rejected + 1);',
        },
      ],
      crowded,
    ),
  },
  {
    name: 'a proposal that was taken is called refused',
    sources: ['https://jepsen.io/analyses/redis-raft-1b3fbf6'],
    caughtBy: ['linearizability'],
    seed: 2,
    plant: around(deniedProposal),
  },
  {
    name: 'a proposal is made a second time when its answer is late',
    sources: ['RedisLabs/redisraft#52'],
    caughtBy: ['linearizability'],
    seed: 5,
    plant: around(proposedTwice),
  },
  {
    name: 'a transfer of the lead that came to nothing is never given up',
    sources: ['databendlabs/openraft#2088', 'hashicorp/raft#487'],
    caughtBy: ['liveness'],
    seed: 3,
    plant: within(
      [
        {
          file: 'raft-core.ts',
          find: `      abortTransfer(core);
      leaveJointWhenDue(core);`,
          replace: '      core.transferElapsed = 0;',
        },
      ],
      (plan) => ({
        ...plan,
        voters: Math.max(3, plan.voters),
        network: { ...plan.network, lossPerMille: 200 },
        transferMean: 1000,
        transferFailsPerMille: 300,
      }),
    ),
  },
];
