import { assert } from '@coffer/kernel';
import type { CoreState } from './core-state.ts';
import { isVoter, membersOf } from './membership.ts';
import { NOBODY } from './message.ts';
import type { LogIndex, Message } from './message.ts';
import { voteResult } from './quorum.ts';
import { becomeCandidate, becomeFollower, becomeLeader, becomePreCandidate } from './roles.ts';

/** How many bytes of the log are looked through at a time for changes that are not applied. */
const SCAN_BYTES_MAX = 1 << 20;

/** Campaigns, if this node may. `transfer` is the leader's own wish: without pre-vote and whatever the others heard. */
export function campaign(core: CoreState, transfer: boolean): void {
  if (core.promotable) attempt(core, transfer);
}

function attempt(core: CoreState, transfer: boolean): void {
  if (core.role === 'leader' || !core.mayLead) return;
  // Its majority may be another one than that of the membership we know.
  if (hasUnappliedChange(core)) return;
  if (transfer) {
    standForElection(core, true);
    return;
  }
  becomePreCandidate(core);
  requestVotes(core, 'pre-vote', false);
  // A pre-vote binds nobody, so our own needs no disk.
  core.votes.set(core.id, true);
  tally(core);
}

function hasUnappliedChange(core: CoreState): boolean {
  const { log } = core;
  let from: LogIndex = log.applied + 1;
  while (from <= log.commit) {
    const entries = log.entries(from, log.commit + 1, SCAN_BYTES_MAX);
    assert(entries !== undefined && entries.length > 0, 'what is not applied is not compacted');
    if (entries.some(({ kind }) => kind === 'membership')) return true;
    from += entries.length;
  }
  return false;
}

function standForElection(core: CoreState, transfer: boolean): void {
  becomeCandidate(core);
  requestVotes(core, 'vote', transfer);
}

function requestVotes(core: CoreState, kind: 'pre-vote' | 'vote', transfer: boolean): void {
  const { id, log } = core;
  const { lastIndex, lastTerm } = log;
  const term = kind === 'pre-vote' ? core.term + 1 : core.term;
  for (const to of membersOf(core.membership)) {
    if (to !== id && isVoter(core.membership, to))
      core.send({ kind, from: id, to, term, lastIndex, lastTerm, transfer });
  }
}

/** Our own vote counts when it is durable: only then can we lead without having promised it twice after a crash. */
export function countOwnVote(core: CoreState): void {
  if (core.role !== 'candidate' || core.votes.has(core.id)) return;
  if (core.durable.term !== core.term || core.durable.vote !== core.id) return;
  core.votes.set(core.id, true);
  tally(core);
}

function tally(core: CoreState): void {
  const result = voteResult(core.membership, (peer) => core.votes.get(peer));
  if (result === 'pending') return;
  if (result === 'lost' || !core.mayLead) becomeFollower(core, core.term, NOBODY);
  else if (core.role === 'pre-candidate') standForElection(core, false);
  // Else our own vote is still on its way to the disk; `countOwnVote` comes back here.
  else if (core.votes.has(core.id)) becomeLeader(core);
}

/**
 * A vote or pre-vote that must not even raise our term: while we lead or hear a leader, nobody needs another one
 * (section 6 and thesis, section 4.2.3), unless the leader itself wants it.
 */
export function isDisruptive(core: CoreState, message: Message): boolean {
  if (message.kind !== 'vote' && message.kind !== 'pre-vote') return false;
  return !message.transfer && core.leader !== NOBODY && core.electionElapsed < core.config.electionTicks;
}

export function handleVote(core: CoreState, message: Message & { readonly kind: 'vote' | 'pre-vote' }): void {
  const { id, vote, leader, log } = core;
  const { from, lastIndex, lastTerm } = message;
  const isPreVote = message.kind === 'pre-vote';
  const free = vote === from || (vote === NOBODY && leader === NOBODY) || (isPreVote && message.term > core.term);
  const grant = free && log.isUpToDate(lastIndex, lastTerm);
  // A granted pre-vote speaks of the term that was asked about, a refused one of ours, which may be news.
  const term = isPreVote && grant ? message.term : core.term;
  if (grant && !isPreVote) {
    core.vote = from;
    core.electionElapsed = 0;
  }
  core.send({ kind: isPreVote ? 'pre-vote-reply' : 'vote-reply', from: id, to: from, term, reject: !grant });
  if (free && !grant) helpOut(core);
}

/**
 * We refused a vote because our log is longer, and are no voter by what we applied. The other counts on our vote, since
 * it does not know yet that the change was committed; if it cannot win without, nobody could. So lead for as long as it
 * takes to tell (thesis, section 4.2.2: servers outside of their latest configuration still start elections).
 */
function helpOut(core: CoreState): void {
  // Our leader, if any, is silent, or the question would have been ignored. An attempt of our own may yet succeed, but
  // what it sent may also be lost, and nothing else ends it.
  const trying = core.role !== 'follower' && core.electionElapsed < core.electionTimeout;
  if (core.role !== 'leader' && !core.promotable && !trying) attempt(core, false);
}

export function handleVoteReply(
  core: CoreState,
  message: Message & { readonly kind: 'vote-reply' | 'pre-vote-reply' },
): void {
  const { kind, from, reject, term } = message;
  if (core.role !== (kind === 'vote-reply' ? 'candidate' : 'pre-candidate')) return;
  // A granted pre-vote of an earlier campaign says nothing about this one.
  if (kind === 'pre-vote-reply' && !reject && term !== core.term + 1) return;
  if (!isVoter(core.membership, from) || core.votes.has(from)) return;
  core.votes.set(from, !reject);
  tally(core);
}
