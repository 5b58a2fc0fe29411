import { assert } from '@coffer/kernel';
import type { CoreState } from './core-state.ts';
import { broadcastHeartbeat } from './heartbeat.ts';
import { changeMembership, isJoint, isLearner, isVoter, membersOf } from './membership.ts';
import { NOBODY } from './message.ts';
import type { Membership, MembershipChange } from './message.ts';
import type { ProposeOutcome } from './raft.ts';
import { appendAsLeader, requorum } from './replication.ts';
import { isRetiring } from './retirement.ts';
import { addProgress } from './roles.ts';
import { abortTransfer } from './transfer.ts';

/** Appends a change as the leader, if none is under way (thesis, section 4.1). */
export function proposeMembership(core: CoreState, change: MembershipChange): ProposeOutcome {
  if (core.role !== 'leader') return { accepted: false, reason: 'not-leader' };
  if (core.transferee !== NOBODY || isRetiring(core)) return { accepted: false, reason: 'transferring' };
  const pending = core.pendingChangeIndex > core.log.applied;
  if (pending || (isJoint(core.membership) && change.kind === 'enter')) {
    return { accepted: false, reason: 'change-pending' };
  }
  if (changeMembership(core.membership, change) === undefined) return { accepted: false, reason: 'invalid-change' };
  appendChange(core, change);
  return { accepted: true, index: core.log.lastIndex, term: core.term };
}

function appendChange(core: CoreState, change: MembershipChange): void {
  const index = core.log.lastIndex + 1;
  core.pendingChangeIndex = index;
  appendAsLeader(core, { kind: 'membership', term: core.term, index, change });
}

/** Leaves the joint phase as soon as it was entered everywhere that counts (thesis, section 4.3). */
export function leaveJointWhenDue(core: CoreState): void {
  if (core.role !== 'leader' || core.transferee !== NOBODY || !isJoint(core.membership)) return;
  if (core.pendingChangeIndex <= core.log.applied) appendChange(core, { kind: 'leave' });
}

/** Applies a committed change. One that makes no sense changes nothing, on every node alike. */
export function applyMembership(core: CoreState, change: MembershipChange): Membership {
  // The first group is in no entry: who starts without it has to get a snapshot first, or would know only of changes.
  assert(core.membership.voters.length > 0, 'a change is applied to a group that is known');
  const after = changeMembership(core.membership, change);
  if (after === undefined) return core.membership;
  core.membership = after;
  if (core.role === 'leader') adoptAsLeader(core);
  return after;
}

function adoptAsLeader(core: CoreState): void {
  const { membership, progress, transferee } = core;
  const members = new Set(membersOf(membership));
  for (const peer of progress.keys()) if (!members.has(peer)) progress.delete(peer);
  for (const peer of members) {
    const known = progress.get(peer);
    if (known === undefined) addProgress(core, peer);
    else known.learner = isLearner(membership, peer);
  }
  if (transferee !== NOBODY && !isVoter(membership, transferee)) abortTransfer(core);
  requorum(core);
  if (isRetiring(core)) broadcastHeartbeat(core);
}
