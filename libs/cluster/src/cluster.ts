import type { Secret } from '@coffer/kernel';
import type { Backend, HaCoordinator, NodeAddress, WriteResult } from '@coffer/storage';
import type { Message, PeerId, RaftStatus, SnapshotMeta } from 'raft-ts';
import type { StateRecord } from './disk/restore.codec.ts';
import type { ClusterMembership } from './membership.ts';

/** How this node takes part in the cluster. */
export interface ClusterConfig {
  /** Folder of the LevelDB with log, vote and state. */
  readonly path: string;
  readonly nodeId: string;
  readonly apiAddress: string;
  readonly clusterAddress: string;
  /** Where the cluster port listens, `host:port`. */
  readonly listenAddress: string;
  /** Scales the election timeouts (as Vault's `performance_multiplier`, 1–10). */
  readonly performanceMultiplier: number;
  /** The log is cut once it is longer than so many entries or bytes beyond what followers need. */
  readonly logEntriesMax: number;
  readonly logBytesMax: number;
  /** The largest value that may be written, in bytes. */
  readonly entryBytesMax: number;
}

export interface JoinTarget {
  readonly leaderApiAddress: string;
  /** The one to connect to, of several addresses that its name has. */
  readonly address?: string;
  readonly caCertificate?: string;
  readonly clientCertificate?: string;
  readonly clientKey?: string;
  readonly tlsServerName?: string;
}

/** A member as `sys/storage/raft/configuration` lists it. */
export interface PeerInfo {
  readonly nodeId: string;
  /** `host:port` of the cluster port. */
  readonly address: string;
  readonly apiAddress: string;
  readonly leader: boolean;
  readonly voter: boolean;
  readonly protocolVersion: string;
}

/** Bytes to the active node and back; what they mean is the caller's. */
export interface ForwardChannel {
  /** Answers requests of a kind that other nodes send here. Unknown kinds are refused. */
  serve(kind: string, handler: (payload: Uint8Array, from: string, signal: AbortSignal) => Promise<Uint8Array>): void;
  /**
   * Sends to a node over mutual TLS and waits for the answer. Aborting cancels it over there too, and so does the
   * deadline (milliseconds of the monotonic clock), which is kept to within half a second.
   *
   * @throws ForwardError
   */
  call(
    to: NodeAddress,
    kind: string,
    payload: Uint8Array,
    signal: AbortSignal,
    deadlineMs?: number,
  ): Promise<Uint8Array>;
}

/**
 * `unreachable`: never sent, safe to repeat. `busy`: the same, but too many wait already. `too-long`: the same, and it
 * will not go any other time. `interrupted`: it may have taken effect.
 */
export type ForwardErrorCode = 'unreachable' | 'busy' | 'too-long' | 'interrupted';

export class ForwardError extends Error {
  override readonly name = 'ForwardError';
  readonly code: ForwardErrorCode;

  constructor(code: ForwardErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/**
 * The cluster's own certificate authority, kept in the barrier under `core/cluster/tls`: each node signs itself a leaf
 * (its node id as the subject alternative name `<nodeId>.coffer.internal`) and trusts leaves of this authority only.
 */
export interface ClusterTls {
  /** PEM. The first signs leaves; others that follow are trusted as well, while one takes the other's place. */
  readonly caCertificate: string;
  /** Of the first, PKCS #8 PEM. */
  readonly caKey: Secret<string>;
}

/** What a leader answers to a node that asks to join; nothing in it is secret. */
export interface JoinChallenge {
  readonly clusterId: string;
  /** Random bytes, encrypted with the seal's key: only a node that was given the same unseal shares can read them. */
  readonly sealed: Uint8Array;
  /** The cluster's seal configuration, so that the joiner knows how many shares to collect. */
  readonly sealConfig: Uint8Array;
}

/** A member with its raft number. */
export interface NumberedPeer extends NodeAddress {
  readonly peerId: PeerId;
}

/** What a leader gives to a node that solved the challenge; encrypted with the seal's key on the way. */
export interface JoinGrant {
  readonly clusterId: string;
  /** The raft number that the joiner has from now on. */
  readonly peerId: number;
  readonly tls: ClusterTls;
  /** The members so far, for the first contact; the list itself arrives with the state. */
  readonly peers: readonly NumberedPeer[];
}

/** What the join needs of the seal, on both sides. */
export interface JoinSealer {
  encrypt(plaintext: Uint8Array): Uint8Array;
  /** @throws if it was not encrypted with the same key */
  decrypt(sealed: Uint8Array): Uint8Array;
}

/** Sends raft messages and forwarded requests between nodes; `libs/cluster/src/transport`. */
export interface Transport {
  /** Begins to listen and to dial with this identity. */
  open(identity: { readonly nodeId: string; readonly clusterId: string; readonly tls: ClusterTls }): Promise<void>;
  close(): Promise<void>;
  /**
   * Where each raft number lives. Replaces the former table.
   *
   * @param nextPeer numbers below were given away; those that are not in the table are of removed nodes
   */
  setPeers(peers: ReadonlyMap<PeerId, NodeAddress>, nextPeer?: PeerId): void;
  /** A member may be at this address; nobody vouches for it. It is tried where the member is not found elsewhere. */
  hint(nodeId: string, clusterAddress: string): void;
  /** Other authorities, and a new certificate of the first, while open; connections go on. */
  renew(tls: ClusterTls): Promise<void>;
  /** A member says that this node is none any more. */
  onRemoved(listener: () => void): void;
  /** Best effort, in order per peer while the connection lasts; never blocks: a peer that does not read loses messages. */
  send(messages: readonly Message[]): void;
  onMessage(listener: (message: Message) => void): void;
  /** A peer cannot be reached (`refused`: its process died, as far as one can tell; `silent`: anything else). */
  onUnreachable(listener: (peer: PeerId, how: 'refused' | 'silent') => void): void;
  /** Streams a snapshot to a peer; resolves when the peer has it on its disk. */
  sendSnapshot(to: PeerId, meta: SnapshotMeta, contents: AsyncIterable<Uint8Array>): Promise<void>;
  onSnapshot(listener: (from: PeerId, meta: SnapshotMeta, contents: AsyncIterable<Uint8Array>) => Promise<void>): void;
  readonly forward: ForwardChannel;
}

/**
 * One node's replicated store: raft on LevelDB, driven by a clock and a transport. A sealed node can read its own disk
 * (seal configuration, keyring) but takes no part: its TLS identity is behind the barrier.
 */
export interface RaftNode extends Backend, HaCoordinator {
  readonly forward: ForwardChannel;
  /** Opens the disk. @throws StorageError `corrupt`, or `disk` where the folder belongs to another node or process */
  open(): Promise<void>;
  /** The cluster that this node's disk belongs to, if any. */
  clusterId(): string | undefined;
  /** Begins a new cluster of this one node (during `init`): elects itself at once, without a network. */
  bootstrap(clusterId: string): Promise<void>;
  /**
   * Takes part in the cluster, after unsealing. Waits for nobody: a leader may come to be much later, when enough other
   * nodes are unsealed. Only a node that is the only voter leads already when this resolves.
   *
   * @throws StorageError `conflict` where it belongs to no cluster; MembershipError where it was removed
   */
  connect(tls: ClusterTls, signal?: AbortSignal): Promise<void>;
  /** Other authorities for the cluster port, from now on. */
  renewTls(tls: ClusterTls): Promise<void>;
  /** A member may be at this address; see `Transport.hint`. */
  hint(nodeId: string, clusterAddress: string): void;
  /** Called once when this node learns that it was removed; it takes no part any more then. */
  onRemoved(listener: () => void): void;
  readonly membership: ClusterMembership;
  /** Hands the lead over if it has it, and takes no further part (sealing). */
  disconnect(): Promise<void>;
  /**
   * Becomes a member as granted and waits until the leader's state has arrived here (and, a moment, to become a voter).
   * After a failure it can be tried again with a new grant.
   */
  join(grant: JoinGrant, signal: AbortSignal): Promise<void>;
  /**
   * On the active node: gives a joiner its number and adds it to the members, as a learner that becomes a voter (unless
   * `nonVoter`) once it has caught up. A node that comes again with an empty disk gets a new number.
   *
   * @throws StorageError `not-active`, `conflict` where a living member has that name, and as `write`
   */
  admit(
    peer: NodeAddress,
    options: { readonly nonVoter: boolean },
  ): Promise<{ readonly peerId: number; readonly peers: readonly NumberedPeer[] }>;
  /**
   * On the active node. One that is to remove itself hands over first.
   *
   * @throws StorageError `not-active`; MembershipError where it is the only voter, or nobody can take over
   */
  removePeer(nodeId: string): Promise<void>;
  peers(): readonly PeerInfo[];
  /** A consistent copy of the whole state, while writes go on. @throws StorageError `not-active` where there is none */
  snapshot(): Promise<StateSnapshot>;
  /**
   * On the active node: puts a snapshot's contents in the place of the state, on every node; the members stay who they
   * are. Subscribers are told that everything changed, and what was judged before is not written after it.
   *
   * @param contents streams them; read twice, first to see that all of it is sound
   * @param requiredKeys without which the state would be of no use
   * @param kept records that take the place of the snapshot's own, in the same moment
   * @throws StorageError `corrupt` (what is wrong with it), `too-large`, `conflict` (another one is under way), or as
   *   `write`. Unless it is `in-doubt`, nothing has changed then.
   */
  restore(
    contents: () => AsyncIterable<Uint8Array>,
    requiredKeys: readonly string[],
    kept?: readonly StateRecord[],
  ): Promise<WriteResult>;
  /** Whether this node's disk and its part in the cluster are well, for health checks and logs. */
  health(): RaftHealth;
  /** Figures for metrics and `sys/storage/raft/autopilot/state`. */
  status(): RaftNodeStatus;
}

/** The state as it was at one moment. */
export interface StateSnapshot {
  /** Of the cluster that it was taken from. */
  readonly clusterId: string;
  readonly index: number;
  readonly term: number;
  readonly peers: readonly PeerInfo[];
  /** Streams it, with a header and a checksum; may be called again, and gives the same bytes each time. */
  contents(): AsyncIterable<Uint8Array>;
  /** Until then the disk keeps what it shows. */
  close(): Promise<void>;
}

/** How a node is. */
export interface RaftHealth {
  /**
   * `stuck`: a write to the disk takes longer than the others would wait for this node; `full` and `failed`: reads or
   * writes fail, and the disk is opened anew as soon as that succeeds; `damaged`: for good.
   */
  readonly disk: 'ok' | 'stuck' | 'full' | 'failed' | 'damaged';
  /** For the operator: what is wrong with the disk. Names files. */
  readonly diskError?: string;
  /** For how long the present write to the disk has been under way, in milliseconds; 0 if there is none. */
  readonly diskWriteMs: number;
  /** Whether it takes part in the cluster (it is unsealed). */
  readonly running: boolean;
  readonly leaderKnown: boolean;
  /** For how long it has taken part without knowing a leader, in milliseconds. */
  readonly leaderlessMs: number;
  /** How far its clock is ahead of the median of the members' clocks, in milliseconds; 0 while that is not known. */
  readonly clockSkewMs: number;
  /** Whether that is more than tokens and leases can bear. */
  readonly clockWrong: boolean;
  /** Whether it was removed from the cluster. */
  readonly removed: boolean;
}

/** Figures of a node; counts are since the start of the process. */
export interface RaftNodeStatus {
  /** Of the core; undefined while sealed. */
  readonly raft?: RaftStatus;
  readonly appliedIndex: number;
  readonly logFirstIndex: number;
  readonly logLastIndex: number;
  readonly logBytes: number;
  /** Of the state on disk, about; without what is in LevelDB's memory. Sizes are a few seconds old. */
  readonly stateBytes: number;
  /** Of all files of the storage folder. */
  readonly diskBytes: number;
  /** Left on its file system. */
  readonly diskFreeBytes: number;
  readonly commitGroups: number;
  readonly commitEntries: number;
  readonly commitMsTotal: number;
  readonly commitMsMax: number;
  readonly commitMsLast: number;
  readonly snapshotsSent: number;
  readonly snapshotsInstalled: number;
  /** Written and waiting, in entries. */
  readonly queuedWrites: number;
  readonly pendingWrites: number;
}
