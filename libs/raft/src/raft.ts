import type {
  Entry,
  HardState,
  LogIndex,
  Membership,
  MembershipChange,
  Message,
  PeerId,
  SnapshotMeta,
  Term,
} from './message.ts';

/** How a core is set up. Times are in ticks; the host decides how long a tick is. */
export interface RaftConfig {
  readonly id: PeerId;
  /** Ticks without a leader's word before a follower campaigns; the core adds a random part in [0, electionTicks). */
  readonly electionTicks: number;
  /** Ticks between heartbeats; well below `electionTicks`. */
  readonly heartbeatTicks: number;
  /** At most so many bytes of entries in an append (one entry goes alone, however big). */
  readonly appendBytesMax: number;
  /** At most so many appends to a follower without an answer. */
  readonly inflightMax: number;
  /** At most so many bytes of entries proposed and not yet committed; more is refused with `busy`. */
  readonly uncommittedBytesMax: number;
  /** A number in [0, below): the only chance the core has. Called while stepping, so a seed replays a run. */
  readonly random: (below: number) => number;
}

/**
 * The log as the host has it on disk, read synchronously. The core asks only for what it was told is stable or what
 * the host kept; entries that are not yet stable live in the core.
 */
export interface LogReader {
  /** The index of the first entry kept; everything before is in the snapshot. */
  firstIndex(): LogIndex;
  /** The last stable index; `firstIndex() - 1` if none. */
  lastIndex(): LogIndex;
  /** The term of a stable entry, or of the snapshot's last; undefined where it is compacted away. */
  term(index: LogIndex): Term | undefined;
  /** Entries from `from` to `to` (exclusive), cut after `bytesMax` but never empty; undefined where compacted away. */
  entries(from: LogIndex, to: LogIndex, bytesMax: number): readonly Entry[] | undefined;
}

/** What a node comes back with after a start or crash. */
export interface RestoredState {
  readonly hardState: HardState;
  /**
   * As of `applied`, from the snapshot or the host's state. The first group is in no entry of the log, so a cluster
   * begins with a snapshot of index 1 or later that holds it; nodes that join begin with nothing and get that first.
   */
  readonly membership: Membership;
  /** The last index whose effect is in the host's state. */
  readonly applied: LogIndex;
}

export type Role = 'follower' | 'pre-candidate' | 'candidate' | 'leader' | 'learner';

/** Answers of ReadIndex (thesis, section 6.4): state at least as new as `index` may serve the request. */
export type ReadState =
  | { readonly request: number; readonly index: LogIndex }
  /** No leader confirmed it: ask again. */
  | { readonly request: number; readonly failed: true };

/**
 * What the host must do next. In this order, as in etcd's library: write `entries`, `hardState` (one synced batch when
 * `mustSync`), begin with `snapshot` if there is one; only then send `messages`; apply `committed`; answer `readStates`
 * once `applied >= index`. Then call `advance`. `earlyMessages` may go before the write is durable: a leader's appends
 * (thesis, section 10.2.1), so that the disks of all work at once, and heartbeats and reads, so that no read waits for a
 * disk. They promise nothing that this write holds.
 */
export interface Ready {
  readonly hardState?: HardState;
  /** To be appended; an entry at an index that exists replaces it and all that follow. */
  readonly entries: readonly Entry[];
  readonly mustSync: boolean;
  readonly earlyMessages: readonly Message[];
  readonly messages: readonly Message[];
  /**
   * Committed and not yet handed out, stable already or part of `entries` of this very `Ready`; none while a snapshot is
   * fetched.
   */
  readonly committed: readonly Entry[];
  /** The leader sent a snapshot: fetch it, replace the state by it, then `snapshotInstalled` (or `…Failed`). */
  readonly snapshot?: { readonly from: PeerId; readonly meta: SnapshotMeta };
  readonly readStates: readonly ReadState[];
  /** The role or the known leader changed. */
  readonly status?: { readonly role: Role; readonly leader: PeerId; readonly term: Term };
  /**
   * A peer that says it leads the term in which another leads, as far as we know: election safety is broken, or the peer
   * lies. What it says is ignored. Told once a term; for the operator.
   */
  readonly rival?: PeerId;
}

export type ProposeOutcome =
  | { readonly accepted: true; readonly index: LogIndex; readonly term: Term }
  | {
      readonly accepted: false;
      readonly reason: 'not-leader' | 'transferring' | 'busy' | 'too-large' | 'change-pending' | 'invalid-change';
    };

/** A leader's view of one follower, for operators and autopilot. */
export interface PeerProgress {
  readonly peer: PeerId;
  readonly match: LogIndex;
  readonly next: LogIndex;
  readonly state: 'probe' | 'replicate' | 'snapshot';
  readonly inflight: number;
  /** Heard from within the last election timeout. */
  readonly recentlyActive: boolean;
  readonly learner: boolean;
  /** Ticks since the last word from it. */
  readonly silentTicks: number;
}

/** The part of the status that costs nothing to ask for. */
export interface RaftStanding {
  readonly id: PeerId;
  readonly role: Role;
  readonly term: Term;
  readonly vote: PeerId;
  readonly leader: PeerId;
  readonly commit: LogIndex;
  readonly applied: LogIndex;
  readonly lastIndex: LogIndex;
  readonly membership: Membership;
  readonly transferee: PeerId;
}

export interface RaftStatus extends RaftStanding {
  /** On the leader, sorted by peer. */
  readonly progress: readonly PeerProgress[];
}

/**
 * Raft as a pure, synchronous state machine: the same calls in the same order give the same results. It has no clock,
 * socket, disk or randomness of its own. Not for use from two places at once. Violated invariants throw
 * `AssertionFailure`; what peers send is untrusted input and is ignored where it makes no sense.
 */
export interface Raft {
  /** One tick of time has passed. */
  tick(): void;
  /** A message from a peer. */
  step(message: Message): void;
  /** Appends entries together, in order, if this is the leader; `index` is the first one's. */
  propose(data: readonly Uint8Array[]): ProposeOutcome;
  proposeMembership(change: MembershipChange): ProposeOutcome;
  /** Begins a linearizable read; answered by a `ReadState` with the same number. Works on every role. */
  readIndex(request: number): void;
  /** Campaigns without waiting for the timeout (with pre-vote). A hint that the leader's process died. */
  campaign(): void;
  /** Hands the lead to a voter, given up after an election timeout. */
  transferLeadership(to: PeerId): void;
  /** The transport could not reach a peer: probe it instead of streaming. */
  reportUnreachable(peer: PeerId): void;
  /** What came of a snapshot that was sent. */
  reportSnapshot(peer: PeerId, outcome: 'sent' | 'failed'): void;
  /** The state was replaced by this snapshot, or a later one than was offered, and that is durable, the log included. */
  snapshotInstalled(meta: SnapshotMeta): void;
  snapshotFailed(): void;
  /** Whether `ready()` would hold anything. */
  hasReady(): boolean;
  /** What to do next; call `advance` before the next `ready`. */
  ready(): Ready;
  /** Everything of the last `ready` was done, but for applying, which `applied` reports. */
  advance(): void;
  /** The host applied all committed entries up to this index (in the order they were handed out). Before compacting. */
  appliedTo(index: LogIndex): void;
  /**
   * The membership that applying a change entry led to: the host calls it when it applies the entry and stores what it
   * returns with its state.
   */
  applyMembership(change: MembershipChange): Membership;
  status(): RaftStatus;
  standing(): RaftStanding;
}

export type CreateRaft = (config: RaftConfig, restored: RestoredState, log: LogReader) => Raft;
