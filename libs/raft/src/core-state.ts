import { assert } from '@coffer/kernel';
import { isLearner, isVoter } from './membership.ts';
import { NOBODY } from './message.ts';
import type { HardState, LogIndex, Membership, Message, PeerId, SnapshotMeta, Term } from './message.ts';
import { Outbox } from './outbox.ts';
import type { Progress } from './progress.ts';
import type { LogReader, RaftConfig, RestoredState, Role } from './raft.ts';
import { RaftLog } from './raft-log.ts';
import { PendingReads } from './pending-reads.ts';

function checkConfig({ id, electionTicks, heartbeatTicks, appendBytesMax, uncommittedBytesMax }: RaftConfig): void {
  assert(Number.isSafeInteger(id) && id > 0, 'the id is a positive safe integer');
  assert(Number.isSafeInteger(heartbeatTicks) && heartbeatTicks > 0, 'heartbeatTicks is positive');
  assert(
    Number.isSafeInteger(electionTicks) && electionTicks > heartbeatTicks,
    'electionTicks is above heartbeatTicks',
  );
  assert(appendBytesMax >= 0, 'appendBytesMax is not negative');
  assert(uncommittedBytesMax >= 0, 'uncommittedBytesMax is not negative');
}

/**
 * What a node knows and remembers: the state that the algorithms in the files beside this one work on (figure 2 of the
 * paper). It has no rules of its own.
 */
export class CoreState {
  readonly config: RaftConfig;
  readonly id: PeerId;
  readonly log: RaftLog;
  readonly outbox = new Outbox();
  readonly reads: PendingReads;

  term: Term;
  vote: PeerId;
  leader: PeerId = NOBODY;
  /** Who else claims to lead this term. */
  rival: PeerId = NOBODY;
  /** The host was not told of the rival yet. */
  rivalFresh = false;
  /** Learners are followers here; `roleOf` tells them apart. */
  role: Exclude<Role, 'learner'> = 'follower';
  membership: Membership;
  /** The membership as of the applied index: what a snapshot of that index holds. */
  appliedMembership: Membership;
  /** What is on our own disk. */
  durable: HardState;

  /** Ticks since the start. */
  now = 0;
  /** Ticks since the leader's last word, or since the election began. */
  electionElapsed = 0;
  /** Of this round: `electionTicks` and a random part. */
  electionTimeout = 0;
  heartbeatElapsed = 0;

  /** As a candidate: who answered what. */
  readonly votes = new Map<PeerId, boolean>();

  /** As the leader: of each member, itself included. */
  readonly progress = new Map<PeerId, Progress>();
  /** Followers may have to be sent something. */
  sendsDue = false;
  /** An entry of our own term was committed, so that the commit index is known to be current (section 8). */
  committedInTerm = false;
  /** The last membership change in the log may stand here; another one waits until it is applied. */
  pendingChangeIndex: LogIndex = 0;
  uncommittedBytes = 0;
  transferee: PeerId = NOBODY;
  transferElapsed = 0;

  /** As a follower: a snapshot that the host is fetching. */
  pendingSnapshot: { readonly from: PeerId; readonly meta: SnapshotMeta } | undefined;
  /** The host was not told of it yet. */
  snapshotFresh = false;

  constructor(config: RaftConfig, restored: RestoredState, stable: LogReader) {
    checkConfig(config);
    const { hardState, membership, applied } = restored;
    this.config = config;
    this.id = config.id;
    this.log = new RaftLog(stable, hardState.commit, applied);
    this.term = hardState.term;
    this.vote = hardState.vote;
    this.durable = hardState;
    this.membership = membership;
    this.appliedMembership = membership;
    // Random, so that an answer to an earlier life's question is never taken for one of this life's.
    this.reads = new PendingReads(config.random(2 ** 40));
    assert(this.term >= this.log.lastTerm, 'the durable term is not before that of the log');
    this.drawElectionTimeout();
  }

  /** Section 9.3: spread, so that votes are rarely split. */
  drawElectionTimeout(): void {
    const { electionTicks, random } = this.config;
    this.electionElapsed = 0;
    this.electionTimeout = electionTicks + random(electionTicks);
  }

  send(message: Message): void {
    assert(message.to !== this.id, 'nobody sends messages to itself');
    this.outbox.send(message, this.durable.term);
  }

  /** Whether this node may lead: there is a group, and its log is not about to be replaced. */
  get mayLead(): boolean {
    return this.membership.voters.length > 0 && this.pendingSnapshot === undefined;
  }

  /** Whether this node may campaign of its own accord. */
  get promotable(): boolean {
    return this.mayLead && isVoter(this.membership, this.id);
  }

  get publicRole(): Role {
    return this.role === 'follower' && isLearner(this.membership, this.id) ? 'learner' : this.role;
  }
}
