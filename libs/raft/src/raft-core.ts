import { assert, assertNever } from '@coffer/kernel';
import { CoreState } from './core-state.ts';
import { campaign, countOwnVote, handleVote, handleVoteReply, isDisruptive } from './election.ts';
import { entryBytes } from './entry-bytes.ts';
import { broadcastHeartbeat } from './heartbeat.ts';
import { applyMembership, leaveJointWhenDue, proposeMembership } from './membership-changes.ts';
import { NOBODY } from './message.ts';
import type { HardState, LogIndex, Membership, MembershipChange, Message, PeerId, SnapshotMeta } from './message.ts';
import { voteResult } from './quorum.ts';
import type {
  CreateRaft,
  LogReader,
  ProposeOutcome,
  Raft,
  RaftConfig,
  RaftStanding,
  RaftStatus,
  Ready,
  RestoredState,
} from './raft.ts';
import { expireForwardedReads, handleReadIndex, handleReadIndexReply, readIndex } from './read-index.ts';
import {
  advanceOwnMatch,
  appendAsLeader,
  handleAppend,
  handleAppendReply,
  handleHeartbeat,
  handleHeartbeatReply,
  replyToAppend,
  sendAppends,
} from './replication.ts';
import { isRetiring, retireWhenKnown } from './retirement.ts';
import { becomeFollower } from './roles.ts';
import { handleSnapshot, reportSnapshot, reportUnreachable, snapshotFailed, snapshotInstalled } from './snapshots.ts';
import { isSoundMessage } from './sound-message.ts';
import { standingOf, statusOf } from './status.ts';
import { abortTransfer, transferLeadership } from './transfer.ts';

/** A `Ready` holds at most about so many bytes of committed entries; the next one has more. */
const COMMITTED_BYTES_MAX = 4 << 20;

type Status = NonNullable<Ready['status']>;

/** What is on the disk already binds what may be written next (figure 2 of the paper). */
function checkSuccession(before: HardState, after: HardState): void {
  assert(after.term >= before.term, 'the durable term never falls');
  assert(after.commit >= before.commit, 'the durable commit index never falls');
  assert(
    after.term > before.term || before.vote === NOBODY || after.vote === before.vote,
    'a vote is given once in a term and not taken back',
  );
}

/** The machine that `createRaft` makes: it takes calls, hands them to the algorithms, and collects what came of it. */
class RaftCore implements Raft {
  readonly #core: CoreState;
  /** As the host was last told. */
  #reported: Status;
  /** As the host was last given to write. */
  #handedState: HardState;
  /** A `Ready` is with the host. */
  #outstanding = false;

  constructor(config: RaftConfig, restored: RestoredState, log: LogReader) {
    this.#core = new CoreState(config, restored, log);
    this.#handedState = restored.hardState;
    const { publicRole: role, leader, term } = this.#core;
    this.#reported = { role, leader, term };
  }

  tick(): void {
    const core = this.#core;
    core.now++;
    core.electionElapsed++;
    if (core.role === 'leader') {
      this.#tickLeader();
      return;
    }
    expireForwardedReads(core);
    if (core.electionElapsed < core.electionTimeout || !core.promotable) return;
    core.drawElectionTimeout();
    campaign(core, false);
  }

  #tickLeader(): void {
    const core = this.#core;
    const { config, now, progress } = core;
    // Check-quorum (thesis, section 6.2): one that cannot commit must not keep its clients waiting.
    const active = voteResult(core.membership, (peer) => {
      const heardAt = progress.get(peer)?.heardAt ?? -config.electionTicks;
      return peer === core.id || now - heardAt < config.electionTicks;
    });
    if (active !== 'won') {
      becomeFollower(core, core.term, NOBODY);
      return;
    }
    // A leader's own clock of elections stands still, since it hears itself.
    core.electionElapsed = 0;
    if (core.transferee !== NOBODY && ++core.transferElapsed >= config.electionTicks) {
      abortTransfer(core);
      leaveJointWhenDue(core);
    }
    if (++core.heartbeatElapsed >= config.heartbeatTicks) broadcastHeartbeat(core);
  }

  step(message: Message): void {
    const core = this.#core;
    if (!isSoundMessage(message, core.id)) return;
    if (message.term < core.term) this.#answerEarlierTerm(message);
    else if (message.term === core.term || this.#enterTerm(message)) this.#dispatch(message);
  }

  /** A message of a later term. Whether it is to be handled. */
  #enterTerm(message: Message): boolean {
    const core = this.#core;
    if (isDisruptive(core, message)) return false;
    // Pre-votes speak of a term that nobody is in yet.
    if (message.kind === 'pre-vote' || (message.kind === 'pre-vote-reply' && !message.reject)) return true;
    becomeFollower(core, message.term, NOBODY);
    return true;
  }

  /** Who lives in an earlier term learns ours: else one that we ignore, and that ignores us, would wait for ever. */
  #answerEarlierTerm(message: Message): void {
    const core = this.#core;
    const { id, term } = core;
    const { from: to } = message;
    switch (message.kind) {
      case 'append':
      case 'heartbeat':
      case 'snapshot':
        replyToAppend(core, to, 0);
        return;
      case 'pre-vote':
        core.send({ kind: 'pre-vote-reply', from: id, to, term, reject: true });
        return;
      case 'vote':
        core.send({ kind: 'vote-reply', from: id, to, term, reject: true });
        return;
      default:
        return;
    }
  }

  #dispatch(message: Message): void {
    const core = this.#core;
    switch (message.kind) {
      case 'pre-vote':
      case 'vote':
        return handleVote(core, message);
      case 'pre-vote-reply':
      case 'vote-reply':
        return handleVoteReply(core, message);
      case 'append':
        return this.#follow(message.from) ? handleAppend(core, message) : undefined;
      case 'heartbeat':
        return this.#follow(message.from) ? handleHeartbeat(core, message) : undefined;
      case 'snapshot':
        return this.#follow(message.from) ? handleSnapshot(core, message) : undefined;
      case 'append-reply':
        return core.role === 'leader' ? handleAppendReply(core, message) : undefined;
      case 'heartbeat-reply':
        if (core.role === 'leader') handleHeartbeatReply(core, message);
        return retireWhenKnown(core);
      case 'read-index':
        return handleReadIndex(core, message);
      case 'read-index-reply':
        return handleReadIndexReply(core, message);
      case 'timeout-now':
        return this.#timeoutNow(message.from);
      default:
        return assertNever(message, 'message');
    }
  }

  /** The leader of our term speaks. False if that cannot be it. */
  #follow(from: PeerId): boolean {
    const core = this.#core;
    if (core.role === 'leader' || (core.leader !== NOBODY && core.leader !== from)) {
      core.rivalFresh ||= core.rival === NOBODY;
      core.rival = from;
      return false;
    }
    if (core.role !== 'follower') becomeFollower(core, core.term, from);
    core.leader = from;
    core.electionElapsed = 0;
    return true;
  }

  #timeoutNow(from: PeerId): void {
    const core = this.#core;
    if (core.role === 'leader' || (core.leader !== NOBODY && core.leader !== from)) return;
    campaign(core, true);
  }

  propose(data: readonly Uint8Array[]): ProposeOutcome {
    const core = this.#core;
    assert(data.length > 0, 'a proposal holds something');
    if (core.role !== 'leader') return { accepted: false, reason: 'not-leader' };
    if (core.transferee !== NOBODY || isRetiring(core)) return { accepted: false, reason: 'transferring' };
    const { term } = core;
    const index = core.log.lastIndex + 1;
    const entries = data.map((bytes, at) => ({ kind: 'data' as const, term, index: index + at, data: bytes }));
    let bytes = 0;
    for (const entry of entries) bytes += entryBytes(entry);
    const { uncommittedBytesMax } = core.config;
    if (bytes > uncommittedBytesMax) return { accepted: false, reason: 'too-large' };
    if (core.uncommittedBytes + bytes > uncommittedBytesMax) return { accepted: false, reason: 'busy' };
    for (const entry of entries) appendAsLeader(core, entry);
    return { accepted: true, index, term };
  }

  proposeMembership(change: MembershipChange): ProposeOutcome {
    return proposeMembership(this.#core, change);
  }

  readIndex(request: number): void {
    readIndex(this.#core, request);
  }

  campaign(): void {
    campaign(this.#core, false);
  }

  transferLeadership(to: PeerId): void {
    transferLeadership(this.#core, to);
  }

  reportUnreachable(peer: PeerId): void {
    reportUnreachable(this.#core, peer);
  }

  reportSnapshot(peer: PeerId, outcome: 'sent' | 'failed'): void {
    reportSnapshot(this.#core, peer, outcome);
  }

  snapshotInstalled(meta: SnapshotMeta): void {
    snapshotInstalled(this.#core, meta);
  }

  snapshotFailed(): void {
    snapshotFailed(this.#core);
  }

  hasReady(): boolean {
    const core = this.#core;
    return (
      core.sendsDue ||
      !core.outbox.isEmpty ||
      core.log.unstable.hasFresh ||
      this.#appliesMore() ||
      core.snapshotFresh ||
      core.rivalFresh ||
      core.reads.hasAnswers ||
      this.#hardStateChanged() ||
      this.#statusChanged()
    );
  }

  ready(): Ready {
    assert(!this.#outstanding, 'a Ready is asked for after the last one was done');
    this.#outstanding = true;
    const core = this.#core;
    const { log } = core;
    if (core.sendsDue) sendAppends(core);
    const entries = log.unstable.hand();
    const committed = this.#appliesMore() ? log.handCommitted(COMMITTED_BYTES_MAX) : [];
    for (const entry of committed) {
      if (entry.term === core.term) core.uncommittedBytes = Math.max(0, core.uncommittedBytes - entryBytes(entry));
    }
    const mustSync = entries.length > 0 || this.#voteChanged();
    const hardState = this.#hardStateChanged() ? { term: core.term, vote: core.vote, commit: log.commit } : undefined;
    if (hardState !== undefined) {
      checkSuccession(this.#handedState, hardState);
      this.#handedState = hardState;
    }
    assert(log.applied <= log.commit, 'only what is committed is applied');
    const { publicRole: role, leader, term } = core;
    const status = this.#statusChanged() ? { role, leader, term } : undefined;
    if (status !== undefined) this.#reported = status;
    const snapshot = core.snapshotFresh ? core.pendingSnapshot : undefined;
    core.snapshotFresh = false;
    const rival = core.rivalFresh ? core.rival : undefined;
    core.rivalFresh = false;
    const readStates = core.reads.take();
    const { early: earlyMessages, late: messages } = core.outbox.take();
    return {
      entries,
      mustSync,
      earlyMessages,
      messages,
      committed,
      readStates,
      ...(hardState === undefined ? undefined : { hardState }),
      ...(status === undefined ? undefined : { status }),
      ...(snapshot === undefined ? undefined : { snapshot }),
      ...(rival === undefined ? undefined : { rival }),
    };
  }

  /** While a snapshot is fetched, nothing more is applied: it would come after the state that replaces it. */
  #appliesMore(): boolean {
    return this.#core.log.hasCommitted && this.#core.pendingSnapshot === undefined;
  }

  #voteChanged(): boolean {
    return this.#core.term !== this.#handedState.term || this.#core.vote !== this.#handedState.vote;
  }

  #hardStateChanged(): boolean {
    return this.#voteChanged() || this.#core.log.commit !== this.#handedState.commit;
  }

  #statusChanged(): boolean {
    const { publicRole, leader, term } = this.#core;
    return publicRole !== this.#reported.role || leader !== this.#reported.leader || term !== this.#reported.term;
  }

  advance(): void {
    assert(this.#outstanding, 'a Ready is done once');
    this.#outstanding = false;
    const core = this.#core;
    core.log.unstable.stabilised();
    core.durable = this.#handedState;
    countOwnVote(core);
    if (core.role === 'leader') advanceOwnMatch(core);
  }

  appliedTo(index: LogIndex): void {
    const core = this.#core;
    if (!core.log.appliedTo(index)) return;
    core.appliedMembership = core.membership;
    leaveJointWhenDue(core);
  }

  applyMembership(change: MembershipChange): Membership {
    return applyMembership(this.#core, change);
  }

  status(): RaftStatus {
    return statusOf(this.#core);
  }

  standing(): RaftStanding {
    return standingOf(this.#core);
  }
}

/** Makes a core: the one way to get one. See `Raft` for how to drive it. */
export const createRaft: CreateRaft = (config, restored, log) => new RaftCore(config, restored, log);
