/** A node's number within the cluster: a positive safe integer, never used again for another node. */
export type PeerId = number;
/** Raft's term (Ongaro and Ousterhout 2014, section 5.1). */
export type Term = number;
/** Position in the log; the first entry has 1, and 0 stands for "before the first". */
export type LogIndex = number;

/** No peer: an unknown leader, a vote not given. */
export const NOBODY: PeerId = 0;

export type Entry =
  | { readonly kind: 'data'; readonly term: Term; readonly index: LogIndex; readonly data: Uint8Array }
  /** What a new leader appends, so that entries of earlier terms commit (section 5.4.2). */
  | { readonly kind: 'empty'; readonly term: Term; readonly index: LogIndex }
  | { readonly kind: 'membership'; readonly term: Term; readonly index: LogIndex; readonly change: MembershipChange };

/**
 * The members after a change. Joint consensus (Ongaro's thesis, section 4.3): while `votersOutgoing` is not empty, both
 * groups must agree. Lists are sorted.
 */
export interface Membership {
  readonly voters: readonly PeerId[];
  readonly votersOutgoing: readonly PeerId[];
  readonly learners: readonly PeerId[];
  /** Voters of the outgoing group that become learners when the joint phase ends. */
  readonly learnersNext: readonly PeerId[];
}

export type MembershipStep =
  | { readonly kind: 'add-voter'; readonly peer: PeerId }
  | { readonly kind: 'add-learner'; readonly peer: PeerId }
  | { readonly kind: 'remove'; readonly peer: PeerId };

/**
 * `enter` with one step that changes at most one voter is simple; otherwise it enters a joint phase, which the leader
 * leaves by itself with `leave` as soon as `enter` is applied.
 * `context` is the host's (addresses, names), carried unread.
 */
export type MembershipChange =
  | { readonly kind: 'enter'; readonly steps: readonly MembershipStep[]; readonly context: Uint8Array }
  | { readonly kind: 'leave' };

/** What survives a crash beside the log (section 5.2: persistent state on all servers). */
export interface HardState {
  readonly term: Term;
  readonly vote: PeerId;
  readonly commit: LogIndex;
}

/** Which prefix of the log a snapshot stands for; its contents are the host's. */
export interface SnapshotMeta {
  readonly index: LogIndex;
  readonly term: Term;
  readonly membership: Membership;
}

interface Addressed {
  readonly from: PeerId;
  readonly to: PeerId;
  readonly term: Term;
}

/** Everything that peers say to each other. */
export type Message = Addressed &
  (
    | { readonly kind: 'pre-vote'; readonly lastIndex: LogIndex; readonly lastTerm: Term; readonly transfer: boolean }
    | { readonly kind: 'pre-vote-reply'; readonly reject: boolean }
    | { readonly kind: 'vote'; readonly lastIndex: LogIndex; readonly lastTerm: Term; readonly transfer: boolean }
    | { readonly kind: 'vote-reply'; readonly reject: boolean }
    | {
        readonly kind: 'append';
        readonly prevIndex: LogIndex;
        readonly prevTerm: Term;
        readonly entries: readonly Entry[];
        readonly commit: LogIndex;
      }
    | {
        readonly kind: 'append-reply';
        /** The last index known to match, or (rejected) the `prevIndex` that was refused. */
        readonly index: LogIndex;
        readonly reject: boolean;
        /** Where the leader should try next (the fast back-up of section 5.3), with that entry's term. */
        readonly hintIndex: LogIndex;
        readonly hintTerm: Term;
      }
    /** `round` numbers the leader's heartbeats: a quorum that answers a round confirms reads asked for before it. */
    | { readonly kind: 'heartbeat'; readonly commit: LogIndex; readonly round: number }
    | { readonly kind: 'heartbeat-reply'; readonly round: number }
    /** The host streams the contents; the core knows only that it was sent and what came of it. */
    | { readonly kind: 'snapshot'; readonly snapshot: SnapshotMeta }
    | { readonly kind: 'read-index'; readonly request: number }
    | {
        readonly kind: 'read-index-reply';
        readonly request: number;
        readonly index: LogIndex;
        readonly reject: boolean;
      }
    /** Leadership transfer: campaign now, without waiting (thesis, section 3.10). */
    | { readonly kind: 'timeout-now' }
  );
