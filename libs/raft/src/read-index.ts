import type { CoreState } from './core-state.ts';
import { broadcastHeartbeat } from './heartbeat.ts';
import { isSingleVoter } from './membership.ts';
import { NOBODY } from './message.ts';
import type { LogIndex, Message, PeerId } from './message.ts';
import { quorumIndex } from './quorum.ts';

/** Beyond so many waiting reads new ones fail, so that neither peers nor callers can fill the memory. */
const WAITING_READS_MAX = 1 << 16;

/** Starts a read of our own, in any role. */
export function readIndex(core: CoreState, request: number): void {
  if (core.role === 'leader') {
    lead(core, core.id, request);
  } else if (core.leader !== NOBODY && core.reads.forwarded.size < WAITING_READS_MAX) {
    forward(core, request);
  } else {
    core.reads.fail(request);
  }
}

function forward(core: CoreState, request: number): void {
  const { reads } = core;
  if (reads.openForward !== undefined) {
    reads.openForward.requests.push(request);
    return;
  }
  const number = reads.nextForward();
  const open = { requests: [request], askedAt: core.now };
  reads.forwarded.set(number, open);
  reads.openForward = open;
  core.send({ kind: 'read-index', from: core.id, to: core.leader, term: core.term, request: number });
}

/** A follower asks. */
export function handleReadIndex(core: CoreState, message: Message & { readonly kind: 'read-index' }): void {
  const { from, request } = message;
  if (core.role !== 'leader') reply(core, from, request, 0, true);
  else if (core.progress.has(from)) lead(core, from, request);
}

/** As the leader (thesis, section 6.4): note the commit index, and confirm with a quorum that we still lead. */
function lead(core: CoreState, from: PeerId, request: number): void {
  const { reads, log } = core;
  if (!core.committedInTerm) {
    // A new leader does not know what its predecessors committed until it commits itself.
    if (reads.held.length < WAITING_READS_MAX) reads.held.push({ from, request });
    else settle(core, from, request, 0, true);
    return;
  }
  if (isSingleVoter(core.membership, core.id)) {
    settle(core, from, request, log.commit, false);
    return;
  }
  const read = { from, request, index: log.commit };
  if (!reads.roundOpen || reads.rounds.length === 0) {
    reads.round++;
    reads.roundOpen = true;
    reads.rounds.push({ round: reads.round, reads: [read] });
    broadcastHeartbeat(core);
    return;
  }
  const open = reads.rounds.at(-1);
  if (open === undefined || open.reads.length >= WAITING_READS_MAX) settle(core, from, request, 0, true);
  else open.reads.push(read);
}

/** The first entry of our own term was committed: the reads that waited for it can go on. */
export function releaseHeldReads(core: CoreState): void {
  for (const { from, request } of core.reads.held.splice(0)) lead(core, from, request);
}

/** Answers what a quorum has confirmed by now. */
export function confirmReads(core: CoreState): void {
  const { rounds, round } = core.reads;
  if (rounds.length === 0) return;
  const confirmed = quorumIndex(core.membership, (peer) =>
    peer === core.id ? round : (core.progress.get(peer)?.ackedRound ?? 0),
  );
  let count = 0;
  for (const { round: of, reads } of rounds) {
    if (of > confirmed) break;
    for (const { from, request, index } of reads) settle(core, from, request, index, false);
    count++;
  }
  rounds.splice(0, count);
}

function settle(core: CoreState, from: PeerId, request: number, index: LogIndex, reject: boolean): void {
  if (from !== core.id) reply(core, from, request, index, reject);
  else if (reject) core.reads.fail(request);
  else core.reads.answer(request, index);
}

function reply(core: CoreState, to: PeerId, request: number, index: LogIndex, reject: boolean): void {
  core.send({ kind: 'read-index-reply', from: core.id, to, term: core.term, request, index, reject });
}

/** The leader answers what we forwarded. */
export function handleReadIndexReply(core: CoreState, message: Message & { readonly kind: 'read-index-reply' }): void {
  const { reads, leader } = core;
  if (message.from !== leader) return;
  const forwarded = reads.forwarded.get(message.request);
  if (forwarded === undefined) return;
  reads.forwarded.delete(message.request);
  if (reads.openForward === forwarded) reads.openForward = undefined;
  for (const request of forwarded.requests) {
    if (message.reject) reads.fail(request);
    else reads.answer(request, message.index);
  }
}

/** The leader is another or unknown now, or we are no longer it: nothing that waits can be confirmed any more. */
export function failReads(core: CoreState): void {
  const { reads } = core;
  for (const { requests } of reads.forwarded.values()) for (const request of requests) reads.fail(request);
  reads.forwarded.clear();
  reads.openForward = undefined;
  for (const { from, request } of reads.held.splice(0)) settle(core, from, request, 0, true);
  for (const round of reads.rounds.splice(0)) {
    for (const { from, request } of round.reads) settle(core, from, request, 0, true);
  }
  reads.roundOpen = false;
}

/** Messages get lost: what the leader has not answered for an election timeout fails. */
export function expireForwardedReads(core: CoreState): void {
  const { reads, now, config } = core;
  for (const [number, forwarded] of reads.forwarded) {
    if (now - forwarded.askedAt < config.electionTicks) return;
    reads.forwarded.delete(number);
    if (reads.openForward === forwarded) reads.openForward = undefined;
    for (const request of forwarded.requests) reads.fail(request);
  }
}
