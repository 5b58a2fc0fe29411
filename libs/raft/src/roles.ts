import { assert } from '@coffer/kernel';
import type { CoreState } from './core-state.ts';
import { isLearner, membersOf } from './membership.ts';
import { NOBODY } from './message.ts';
import type { PeerId, Term } from './message.ts';
import { Progress } from './progress.ts';
import { failReads } from './read-index.ts';
import { appendAsLeader } from './replication.ts';
import { abortTransfer } from './transfer.ts';

function reset(core: CoreState, term: Term): void {
  assert(term >= core.term, 'terms never fall');
  failReads(core);
  if (term !== core.term) {
    core.term = term;
    core.vote = NOBODY;
    core.rival = NOBODY;
    core.rivalFresh = false;
  }
  core.leader = NOBODY;
  core.drawElectionTimeout();
  core.heartbeatElapsed = 0;
  core.votes.clear();
  core.progress.clear();
  core.sendsDue = false;
  core.committedInTerm = false;
  core.pendingChangeIndex = 0;
  core.uncommittedBytes = 0;
  abortTransfer(core);
}

export function becomeFollower(core: CoreState, term: Term, leader: PeerId): void {
  reset(core, term);
  core.role = 'follower';
  core.leader = leader;
}

/** Thesis, section 9.6: asks whether an election could be won, without a new term that would disturb the others. */
export function becomePreCandidate(core: CoreState): void {
  assert(core.role !== 'leader', 'a leader does not campaign');
  reset(core, core.term);
  core.role = 'pre-candidate';
}

/** Section 5.2. */
export function becomeCandidate(core: CoreState): void {
  assert(core.role !== 'leader', 'a leader does not campaign');
  reset(core, core.term + 1);
  core.role = 'candidate';
  core.vote = core.id;
}

/** Section 5.2, and 8: an empty entry finds out what is committed. */
export function becomeLeader(core: CoreState): void {
  assert(core.role === 'candidate', 'a leader was elected');
  assert(core.durable.term === core.term && core.durable.vote === core.id, 'a leader leads in a durable term');
  reset(core, core.term);
  core.role = 'leader';
  core.leader = core.id;
  for (const peer of membersOf(core.membership)) addProgress(core, peer);
  const own = core.progress.get(core.id);
  own?.matched(core.log.stableIndex, core.now);
  own?.becomeReplicate();
  appendAsLeader(core, { kind: 'empty', term: core.term, index: core.log.lastIndex + 1 });
  // The log may hold a change that is not applied, so none is taken until all of it is; and none before our empty entry
  // is committed, so that no leader of before can commit another one (Ongaro, raft-dev, 10 July 2015).
  core.pendingChangeIndex = core.log.lastIndex;
}

/** Begins to replicate to a member, from the end of the log. */
export function addProgress(core: CoreState, peer: PeerId): void {
  const learner = isLearner(core.membership, peer);
  const { inflightMax } = core.config;
  core.progress.set(peer, new Progress(core.log.lastIndex + 1, inflightMax, core.now, learner));
  core.sendsDue = true;
}
