import type { Decorate } from './decorated.ts';
import { brieflyLed, crowded, earlyElections, votesAndCrashes } from './plans.ts';
import { around, within } from './planted-bug.ts';
import type { PlantedBug } from './planted-bug.ts';

/** Votes for everyone, however little they have. */
const blindVote: Decorate = (inner) => ({
  step(message) {
    const asks = message.kind === 'vote' || message.kind === 'pre-vote';
    inner.step(asks ? { ...message, lastIndex: 2 ** 40, lastTerm: message.term } : message);
  },
});

/** Who votes for whom, and who may lead. */
export const ELECTION_BUGS: readonly PlantedBug[] = [
  {
    name: 'a vote is forgotten over a restart',
    sources: ['hashicorp/raft#661', 'ktoso/akka-raft#56'],
    caughtBy: ['one vote a term', 'election safety'],
    seed: 2,
    plant: (createRaft) => ({
      createRaft: (config, restored, log) =>
        createRaft(config, { ...restored, hardState: { ...restored.hardState, vote: 0 } }, log),
      adjustPlan: votesAndCrashes,
    }),
  },
  {
    name: 'a candidate that steps down within its term forgets its vote',
    sources: ['ktoso/akka-raft#56', 'canonical/raft#196', 'microsoft/CCF#5891'],
    caughtBy: ['one vote a term', 'election safety', 'assertion'],
    seed: 1,
    plant: within([
      {
        file: 'roles.ts',
        find: '  if (term !== core.term) {\n    core.term = term;',
        replace: '  {\n    core.term = term;',
      },
    ]),
  },
  {
    name: 'a vote that comes twice counts twice',
    sources: ['ktoso/akka-raft#45', 'ktoso/akka-raft#50', 'xnnyygn/xraft#27'],
    caughtBy: ['election safety', 'state machine safety', 'leader completeness'],
    seed: 3,
    plant: within(
      [
        {
          file: 'election.ts',
          find: `  if (!isVoter(core.membership, from) || core.votes.has(from)) return;
  core.votes.set(from, !reject);`,
          replace: `  if (!isVoter(core.membership, from)) return;
  const open = membersOf(core.membership).find((peer) => isVoter(core.membership, peer) && !core.votes.has(peer));
  core.votes.set(core.votes.has(from) && open !== undefined ? open : from, !reject);`,
        },
      ],
      earlyElections,
    ),
  },
  {
    name: 'votes of an earlier term count',
    sources: ['ktoso/akka-raft#46', 'ktoso/akka-raft#47'],
    caughtBy: ['election safety', 'state machine safety', 'leader completeness'],
    seed: 1,
    plant: within(
      [
        {
          file: 'raft-core.ts',
          find: `    if (message.term < core.term) this.#answerEarlierTerm(message);
    else if (message.term === core.term || this.#enterTerm(message)) this.#dispatch(message);`,
          replace: `    if (message.term < core.term && message.kind !== 'vote-reply') this.#answerEarlierTerm(message);
    else if (message.term <= core.term || this.#enterTerm(message)) this.#dispatch(message);`,
        },
      ],
      earlyElections,
    ),
  },
  {
    name: 'answers to a pre-vote count as votes',
    sources: ['canonical/raft#196'],
    caughtBy: ['election safety', 'state machine safety', 'leader completeness'],
    seed: 3,
    plant: within([
      {
        file: 'election.ts',
        find: `  if (core.role !== (kind === 'vote-reply' ? 'candidate' : 'pre-candidate')) return;`,
        replace: `  if (core.role !== 'candidate' && core.role !== 'pre-candidate') return;`,
      },
      {
        file: 'election.ts',
        find: `  if (kind === 'pre-vote-reply' && !reject && term !== core.term + 1) return;`,
        replace: '',
      },
    ]),
  },
  {
    name: 'half of an even number is a majority',
    sources: ['async-raft/async-raft#143', 'apache/kafka#16211'],
    caughtBy: ['election safety', 'commit by quorum', 'state machine safety', 'leader completeness'],
    seed: 19,
    plant: within([
      {
        file: 'quorum.ts',
        find: '  const majority = (group.length >>> 1) + 1;',
        replace: '  const majority = (group.length + 1) >>> 1;',
      },
    ]),
  },
  {
    name: 'votes go to candidates that lack committed entries',
    sources: ['ktoso/akka-raft#30', 'ktoso/akka-raft#51', 'eBay/NuRaft#185'],
    caughtBy: ['leader completeness', 'state machine safety'],
    seed: 1,
    plant: around(blindVote),
  },
  {
    name: 'the longer log wins, whatever its last term',
    sources: ['streed/simpleRaft#10', 'sile/noraft#22'],
    caughtBy: ['leader completeness', 'state machine safety', 'liveness', 'assertion'],
    seed: 91,
    plant: within(
      [
        {
          file: 'raft-log.ts',
          find: '    return lastTerm > ours || (lastTerm === ours && lastIndex >= this.lastIndex);',
          replace: '    return ours >= 0 && lastTerm >= 0 && lastIndex >= this.lastIndex;',
        },
      ],
      crowded,
    ),
  },
  {
    name: 'a vote needs a log that is both longer and of a later term',
    sources: ['hashicorp/raft#94', 'neo4j/neo4j#6289'],
    caughtBy: ['liveness'],
    seed: 98,
    plant: within(
      [
        {
          file: 'raft-log.ts',
          find: '    return lastTerm > ours || (lastTerm === ours && lastIndex >= this.lastIndex);',
          replace: '    return lastTerm >= ours && lastIndex >= this.lastIndex;',
        },
      ],
      brieflyLed,
    ),
  },
  {
    name: 'nobody tells a node that asks for pre-votes in an earlier term',
    sources: ['etcd-io/etcd#8243', 'canonical/raft#279', 'databendlabs/openraft#1796'],
    caughtBy: ['liveness'],
    seed: 11,
    plant: within(
      [
        {
          file: 'raft-core.ts',
          find: `      case 'pre-vote':
        core.send({ kind: 'pre-vote-reply', from: id, to, term, reject: true });
        return;`,
          replace: `      case 'pre-vote':
        return;`,
        },
      ],
      brieflyLed,
    ),
  },
  {
    name: 'nobody tells a leader of an earlier term',
    sources: ['etcd-io/etcd#8501', 'cockroachdb/cockroach#18151'],
    caughtBy: ['liveness', 'stability'],
    seed: 373,
    plant: within([{ file: 'raft-core.ts', find: '        replyToAppend(core, to, 0);\n', replace: '' }]),
  },
  {
    name: 'a node that hears no leader raises its term without asking first, and is listened to',
    sources: [
      'hashicorp/raft#411',
      'canonical/raft#137',
      'https://blog.cloudflare.com/a-byzantine-failure-in-the-real-world/',
    ],
    caughtBy: ['stability'],
    seed: 34,
    plant: within(
      [
        {
          file: 'election.ts',
          find: `  becomePreCandidate(core);
  requestVotes(core, 'pre-vote', false);`,
          replace: `  if (core.id > 0) return standForElection(core, false);
  becomePreCandidate(core);
  requestVotes(core, 'pre-vote', false);`,
        },
        {
          file: 'election.ts',
          find: '  return !message.transfer && core.leader !== NOBODY && core.electionElapsed < core.config.electionTicks;',
          replace: '  return !message.transfer && core.leader < NOBODY;',
        },
      ],
      (plan) => ({ ...plan, stopRemoved: false }),
    ),
  },
  {
    name: 'a leader that hears nobody leads on',
    sources: ['etcd-io/raft@65b78dc', 'cockroachdb/cockroach#104042'],
    caughtBy: ['check quorum'],
    seed: 1,
    plant: within([
      { file: 'raft-core.ts', find: `    if (active !== 'won') {`, replace: `    if (active === undefined) {` },
    ]),
  },
];
