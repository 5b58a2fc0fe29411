import { assert } from '@coffer/kernel';
import type { CoreState } from './core-state.ts';
import { entryBytes } from './entry-bytes.ts';
import { isSingleVoter } from './membership.ts';
import type { Entry, LogIndex, Message, PeerId } from './message.ts';
import type { Progress } from './progress.ts';
import { quorumIndex } from './quorum.ts';
import { confirmReads, releaseHeldReads } from './read-index.ts';
import { sendTimeoutNow } from './transfer.ts';

/** Appends an entry as the leader. It goes out with the next `Ready`, together with all others up to then. */
export function appendAsLeader(core: CoreState, entry: Entry): void {
  assert(core.role === 'leader', 'only the leader appends of its own accord');
  assert(entry.term === core.term, 'a leader appends entries of its own term');
  core.log.push(entry);
  core.uncommittedBytes += entryBytes(entry);
  core.sendsDue = true;
}

/** Queues for every member what it should get now. */
export function sendAppends(core: CoreState): void {
  core.sendsDue = false;
  for (const [to, progress] of core.progress) if (to !== core.id) sendTo(core, to, progress);
}

function sendTo(core: CoreState, to: PeerId, progress: Progress): void {
  const { log } = core;
  let sent = false;
  while (!progress.paused && progress.next <= log.lastIndex) {
    if (!sendAppend(core, to, progress)) return;
    sent = true;
  }
  if (sent || progress.paused) return;
  if (progress.poked || progress.sentCommit < log.commit) sendAppend(core, to, progress);
}

function sendAppend(core: CoreState, to: PeerId, progress: Progress): boolean {
  const { log, id, term, config } = core;
  const prevIndex = progress.next - 1;
  const prevTerm = log.term(prevIndex);
  const entries =
    prevTerm === undefined ? undefined : log.entries(progress.next, log.lastIndex + 1, config.appendBytesMax);
  if (prevTerm === undefined || entries === undefined) {
    sendSnapshot(core, to, progress);
    return false;
  }
  core.send({ kind: 'append', from: id, to, term, prevIndex, prevTerm, entries, commit: log.commit });
  progress.sent(entries.length, prevIndex + entries.length);
  progress.sentCommit = log.commit;
  progress.poked = false;
  return true;
}

function sendSnapshot(core: CoreState, to: PeerId, progress: Progress): void {
  // To one that is gone it would be wasted; its next word brings us back here.
  if (core.now - progress.heardAt >= core.config.electionTicks) return;
  const { log, id, term } = core;
  const snapshot = { index: log.applied, term: log.appliedTerm, membership: core.appliedMembership };
  assert(snapshot.index >= progress.match, 'a snapshot is not behind what the follower has');
  core.send({ kind: 'snapshot', from: id, to, term, snapshot });
  progress.becomeSnapshot(snapshot.index);
  progress.poked = false;
}

/** Figure 2, leaders: commits what a quorum has, if the last of it is of our own term (section 5.4.2). */
export function advanceCommit(core: CoreState): void {
  const { log } = core;
  const index = quorumIndex(core.membership, (peer) => core.progress.get(peer)?.match ?? 0);
  if (index <= log.commit || log.term(index) !== core.term) return;
  log.commitTo(index);
  core.sendsDue = true;
  if (core.committedInTerm) return;
  core.committedInTerm = true;
  releaseHeldReads(core);
}

/** Our own disk has everything up to here. */
export function advanceOwnMatch(core: CoreState): void {
  const own = core.progress.get(core.id);
  if (own !== undefined && own.matched(core.log.stableIndex, core.now)) advanceCommit(core);
}

export function handleAppendReply(core: CoreState, message: Message & { readonly kind: 'append-reply' }): void {
  const progress = core.progress.get(message.from);
  if (progress === undefined) return;
  progress.heardAt = core.now;
  if (message.reject) refused(core, progress, message);
  else accepted(core, message.from, progress, message.index);
}

function refused(core: CoreState, progress: Progress, message: Message & { readonly kind: 'append-reply' }): void {
  const { index, hintIndex, hintTerm } = message;
  if (hintIndex > index) return;
  // Of our entries up to the hint, those of later terms cannot match: the follower's terms end with the hint's.
  const hint = hintTerm > 0 ? core.log.lastWithTermUpTo(hintIndex, hintTerm) : hintIndex;
  if (progress.refused(index, hint)) core.sendsDue = true;
}

function accepted(core: CoreState, from: PeerId, progress: Progress, index: LogIndex): void {
  const { log } = core;
  // Nobody has more of our log than we do.
  if (index > log.lastIndex) return;
  const news = progress.matched(index, core.now);
  if (!news && !(progress.state === 'probe' && progress.match === index)) return;
  if (progress.state === 'replicate') progress.window.freeTo(index);
  else if (progress.state === 'probe' || progress.match + 1 >= log.firstIndex) progress.becomeReplicate();
  core.sendsDue = true;
  if (news) advanceCommit(core);
  if (from === core.transferee && progress.match === log.lastIndex) sendTimeoutNow(core);
}

export function handleHeartbeatReply(core: CoreState, message: Message & { readonly kind: 'heartbeat-reply' }): void {
  const progress = core.progress.get(message.from);
  if (progress === undefined || message.round > core.reads.round) return;
  progress.heardAt = core.now;
  progress.probeSent = false;
  if (progress.state === 'replicate' && progress.window.full) progress.window.freeFirst();
  // Answers that keep coming show that nothing is lost; otherwise ask.
  const quiet = core.now - progress.advancedAt >= core.config.heartbeatTicks;
  if (progress.state !== 'replicate' || (progress.match < core.log.lastIndex && quiet)) {
    progress.poked = true;
    core.sendsDue = true;
  }
  if (message.round === progress.sentRound) progress.knownCommit = progress.sentRoundCommit;
  if (message.round > progress.ackedRound) {
    progress.ackedRound = message.round;
    confirmReads(core);
  }
}

/** Section 5.3, as a follower. The leader was recognised already. */
export function handleAppend(core: CoreState, message: Message & { readonly kind: 'append' }): void {
  const { log } = core;
  // Once the snapshot is there, the log begins anew; what we confirmed now would be lost.
  if (core.pendingSnapshot !== undefined) return;
  // Who knows no group has to get it with a snapshot: the log holds only what was changed since.
  if (core.membership.voters.length === 0 && message.prevIndex === 0) return;
  // An old append, or one that lies about what is committed: what is to be replaced lies behind that.
  if (message.prevIndex < log.commit) {
    replyToAppend(core, message.from, log.commit);
    return;
  }
  const outcome = log.append(message.prevIndex, message.prevTerm, message.entries);
  if (outcome.kind === 'matched') {
    log.commitTo(Math.min(message.commit, outcome.lastIndex));
    replyToAppend(core, message.from, outcome.lastIndex);
    return;
  }
  const hintIndex = log.lastWithTermUpTo(Math.min(message.prevIndex, log.lastIndex), message.prevTerm);
  core.send({
    kind: 'append-reply',
    from: core.id,
    to: message.from,
    term: core.term,
    index: message.prevIndex,
    reject: true,
    hintIndex,
    hintTerm: log.term(hintIndex) ?? 0,
  });
}

/** Tells a leader up to where our log is the same as its, and durable by the time that this is sent. */
export function replyToAppend(core: CoreState, to: PeerId, index: LogIndex): void {
  const { id, term } = core;
  core.send({ kind: 'append-reply', from: id, to, term, index, reject: false, hintIndex: 0, hintTerm: 0 });
}

export function handleHeartbeat(core: CoreState, message: Message & { readonly kind: 'heartbeat' }): void {
  const { log, id, term } = core;
  // A leader says no more than what it knows to match, so anything beyond our log is nonsense.
  if (message.commit <= log.lastIndex && core.pendingSnapshot === undefined) log.commitTo(message.commit);
  core.send({ kind: 'heartbeat-reply', from: id, to: message.from, term, round: message.round });
}

/** The quorum may be another one than before: see what that decides. */
export function requorum(core: CoreState): void {
  advanceCommit(core);
  confirmReads(core);
  if (!isSingleVoter(core.membership, core.id)) return;
  const { rounds } = core.reads;
  assert(rounds.length === 0, 'a single voter has no reads to confirm');
}
