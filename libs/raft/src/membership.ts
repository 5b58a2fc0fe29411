import { assertNever } from '@coffer/kernel';
import type { Membership, MembershipChange, MembershipStep, PeerId } from './message.ts';

export function isJoint(membership: Membership): boolean {
  return membership.votersOutgoing.length > 0;
}

/** Whether a peer votes, in either group. */
export function isVoter(membership: Membership, peer: PeerId): boolean {
  return membership.voters.includes(peer) || membership.votersOutgoing.includes(peer);
}

export function isLearner(membership: Membership, peer: PeerId): boolean {
  return membership.learners.includes(peer);
}

/** Whether one voter alone decides. */
export function isSingleVoter(membership: Membership, peer: PeerId): boolean {
  return membership.voters.length === 1 && membership.voters[0] === peer && !isJoint(membership);
}

/** All that take part, each once, sorted. */
export function membersOf(membership: Membership): PeerId[] {
  const { voters, votersOutgoing, learners, learnersNext } = membership;
  return sorted(new Set([...voters, ...votersOutgoing, ...learners, ...learnersNext]));
}

function sorted(peers: Iterable<PeerId>): PeerId[] {
  return [...peers].sort((a, b) => a - b);
}

interface Draft {
  readonly voters: Set<PeerId>;
  readonly outgoing: ReadonlySet<PeerId>;
  readonly learners: Set<PeerId>;
  readonly learnersNext: Set<PeerId>;
}

function take(draft: Draft, step: MembershipStep): void {
  const { voters, outgoing, learners, learnersNext } = draft;
  switch (step.kind) {
    case 'add-voter':
      learners.delete(step.peer);
      learnersNext.delete(step.peer);
      voters.add(step.peer);
      return;
    case 'add-learner':
      voters.delete(step.peer);
      // One that still votes in the outgoing group cannot be a learner until that group is gone.
      if (outgoing.has(step.peer)) learnersNext.add(step.peer);
      else learners.add(step.peer);
      return;
    case 'remove':
      voters.delete(step.peer);
      learners.delete(step.peer);
      learnersNext.delete(step.peer);
      return;
    default:
      assertNever(step, 'membership step');
  }
}

/**
 * The membership after a change (thesis, sections 4.1 to 4.3); undefined where the change makes no sense: entering a
 * joint phase from within one, leaving when there is none, or a group without voters.
 */
export function changeMembership(before: Membership, change: MembershipChange): Membership | undefined {
  if (change.kind === 'leave') {
    if (!isJoint(before)) return undefined;
    const learners = sorted(new Set([...before.learners, ...before.learnersNext]));
    return { voters: before.voters, votersOutgoing: [], learners, learnersNext: [] };
  }
  if (isJoint(before)) return undefined;
  if (!change.steps.every(({ peer }) => Number.isSafeInteger(peer) && peer > 0)) return undefined;
  // A single step changes at most one voter, so that all majorities before and after overlap (section 4.1).
  const votersOutgoing = change.steps.length > 1 ? before.voters : [];
  const draft: Draft = {
    voters: new Set(before.voters),
    outgoing: new Set(votersOutgoing),
    learners: new Set(before.learners),
    learnersNext: new Set(),
  };
  for (const step of change.steps) take(draft, step);
  if (draft.voters.size === 0) return undefined;
  return {
    voters: sorted(draft.voters),
    votersOutgoing,
    learners: sorted(draft.learners),
    learnersNext: sorted(draft.learnersNext),
  };
}
