import { type Log, type MaybePromise } from '@coffer/kernel';
import {
  StorageError,
  refuseKeys,
  type AppliedListener,
  type Epoch,
  type HaState,
  type KeyRange,
  type ListOptions,
  type NodeAddress,
  type WriteBatch,
  type WriteResult,
} from '@coffer/storage';
import type { PeerId } from 'raft-ts';
import type {
  ClusterTls,
  ForwardChannel,
  JoinGrant,
  NumberedPeer,
  PeerInfo,
  RaftHealth,
  RaftNode,
  RaftNodeStatus,
  StateSnapshot,
} from '../cluster.ts';
import type { LevelDisk } from '../disk/level-disk.ts';
import { encodeAnnounce, encodeBatch } from '../disk/payload.codec.ts';
import type { StateRecord } from '../disk/restore.codec.ts';
import type { ClusterMembership } from '../membership.ts';
import { Belonging } from './belonging.ts';
import { ClusterLinks } from './cluster-links.ts';
import { ClockWatch } from './clock-watch.ts';
import { Conditions } from './conditions.ts';
import { DiskKeeper } from './disk-keeper.ts';
import { NO_SIZES } from './disk-sizes.ts';
import { HaRole } from './ha-role.ts';
import { LeaderHints } from './leader-hints.ts';
import { noLeader, notActive, removedError } from './node-errors.ts';
import { nodeHealth, nodeStatus, type CommitFigures } from './node-figures.ts';
import { PendingWrites } from './pending-writes.ts';
import { isOnly, RaftSession, type RaftNodeParts } from './raft-session.ts';
import { ReadRounds } from './read-rounds.ts';
import { Roster } from './roster.ts';
import { recoverFromPeersFile } from './peers-file.ts';
import { RestoreRunner } from './restore-runner.ts';
import { stateSnapshot } from './state-snapshot.ts';
import { timing, type Timing } from './timing.ts';

/** One node's replicated store on LevelDB; see `RaftNode`. */
export class RaftBackend implements RaftNode {
  readonly kind = 'raft';
  readonly enabled = true;
  readonly self: NodeAddress;
  readonly forward: ForwardChannel;
  readonly #parts: RaftNodeParts;
  readonly #timing: Timing;
  readonly #log: Log;
  readonly #writes = new PendingWrites();
  readonly #reads: ReadRounds;
  readonly #roster: Roster;
  readonly #clocks: ClockWatch;
  readonly #belonging: Belonging;
  readonly #hints: LeaderHints;
  readonly #figures: CommitFigures = {
    groups: 0,
    entries: 0,
    msTotal: 0,
    msMax: 0,
    msLast: 0,
    snapshotsInstalled: 0,
  };
  readonly #appliedListeners = new Set<AppliedListener>();
  readonly #role: HaRole;
  readonly #links: ClusterLinks;
  readonly #conditions: Conditions;
  readonly #restores: RestoreRunner;
  readonly #keeper: DiskKeeper;
  /** While this node takes part in the cluster; also while its disk fails. */
  #session: RaftSession | undefined;
  /** Another state is about to take the place of the present one. */
  #held = false;

  constructor(parts: RaftNodeParts) {
    const { config, clock, log, transport } = parts;
    this.#parts = parts;
    this.#log = log;
    this.#timing = timing(config.performanceMultiplier);
    this.self = { nodeId: config.nodeId, apiAddress: config.apiAddress, clusterAddress: config.clusterAddress };
    this.forward = transport.forward;
    this.#role = new HaRole(clock, log);
    this.#links = new ClusterLinks(transport, this.self);
    this.#conditions = new Conditions(() => this.#keeper.failure ?? this.#session === undefined);
    this.#keeper = new DiskKeeper({
      path: config.path,
      nodeId: config.nodeId,
      clock,
      log,
      host: {
        failed: (error) => this.#session?.fail(error),
        reopened: (disk) => this.#reopened(disk),
      },
    });
    this.#reads = new ReadRounds({
      ask: (request) => this.#session?.act((raft) => raft.readIndex(request)),
      nowMs: () => clock.monotonicMs(),
      appliedIndex: () => this.appliedIndex(),
      leaderKnown: () => this.#session !== undefined && this.#session.driver.standing.leader !== 0,
    });
    this.#roster = new Roster(
      {
        self: this.self,
        tickMs: this.#timing.tickMs,
        appliedIndex: () => this.appliedIndex(),
        stepDown: () => this.stepDown(),
        handOver: async (to) => this.#session?.handOver(to),
        selfPeer: () => this.#selfPeer(),
        members: () => this.#opened().members,
        raftStatus: () => this.#session?.raft.status(),
        active: () => this.#role.activeTerm !== 0,
        leaderAddress: () => this.#session?.leaderAddress(),
        change: (steps, context) => this.#running().changeMembers(steps, context),
        announce: (peer, address) => this.#announce(peer, address),
      },
      transport.forward,
      clock,
      log,
    );
    this.#clocks = new ClockWatch(
      {
        active: () => this.#role.activeTerm !== 0,
        leaderAddress: () => this.#session?.leaderAddress(),
        isMember: (nodeId) => this.#keeper.found?.members.list.some((member) => member.nodeId === nodeId) === true,
        handOver: () => this.stepDown(),
      },
      transport.forward,
      clock,
      log,
    );
    this.#restores = new RestoreRunner({
      disk: () => this.#opened(),
      activeTerm: () => this.#role.activeTerm,
      propose: (data, epoch) => this.#proposeEntry(data, epoch),
      hold: (held) => {
        this.#held = held;
      },
      entryBytesMax: config.entryBytesMax,
      log,
    });
    this.#belonging = new Belonging({
      self: this.self,
      clock,
      log,
      links: this.#links,
      conditions: this.#conditions,
      disk: () => this.#keeper.found,
      run: () => this.#run(),
      running: () => this.#session !== undefined && this.#keeper.failure === undefined,
      disconnect: () => this.disconnect(),
      readBarrier: (signal) => this.readBarrier(signal),
    });
    this.#hints = new LeaderHints(clock, parts.random, () => this.#session?.driver);
    transport.onMessage((message) => this.#session?.driver.hear(message));
    transport.onUnreachable((peer, how) => this.#hints.unreachable(peer, how));
    transport.onRemoved(() => this.#belonging.removed());
    transport.onSnapshot((from, meta, contents) => {
      if (this.#session === undefined) return Promise.reject(noLeader());
      return this.#session.snapshots.receive(from, meta, contents);
    });
  }

  // ---- Backend ----

  get(key: string): Uint8Array | undefined {
    return this.#opened().get(key);
  }

  list(prefix: string, options: ListOptions = {}): Promise<string[]> {
    return this.#opened().list(prefix, options);
  }

  keys(range: KeyRange): Promise<string[]> {
    return this.#opened().keys(range);
  }

  write(batch: WriteBatch): Promise<WriteResult> {
    const refusal = this.#refusal(batch);
    if (refusal !== undefined) return Promise.reject(refusal);
    const data = encodeBatch(batch.ops);
    if (data.length > this.#parts.config.entryBytesMax) {
      return Promise.reject(new StorageError('too-large', 'the write is larger than an entry of the log may be'));
    }
    const result = this.#writes.queue(data, batch.epoch);
    this.#session?.driver.wake();
    return result;
  }

  readBarrier(signal?: AbortSignal): MaybePromise<void> {
    if (this.#session === undefined) throw noLeader();
    if (this.#session.alone) return undefined;
    const { failure } = this.#keeper;
    if (failure !== undefined) throw new StorageError('no-leader', 'the disk of this node failed', { cause: failure });
    return this.#reads.wait(signal);
  }

  subscribe(listener: AppliedListener): () => void {
    this.#appliedListeners.add(listener);
    return () => this.#appliedListeners.delete(listener);
  }

  appliedIndex(): number {
    return this.#keeper.found?.applied ?? 0;
  }

  async close(): Promise<void> {
    await this.disconnect();
    await this.#keeper.close();
  }

  // ---- HaCoordinator ----

  state(): HaState {
    return this.#role.state;
  }

  onChange(listener: (state: HaState) => void): () => void {
    return this.#role.onChange(listener);
  }

  async stepDown(): Promise<void> {
    await this.#session?.handOver();
  }

  // ---- RaftNode ----

  async open(): Promise<void> {
    await this.#keeper.open();
    try {
      await recoverFromPeersFile(this.#opened(), this.#parts.config, this.#log);
    } catch (error) {
      await this.#keeper.close();
      throw error;
    }
  }

  clusterId(): string | undefined {
    const disk = this.#opened();
    // A number without a state is a join that came to nothing.
    return disk.blank ? undefined : disk.identity?.clusterId;
  }

  async bootstrap(clusterId: string): Promise<void> {
    const disk = this.#opened();
    if (!disk.blank || this.#session !== undefined)
      throw new StorageError('conflict', 'this node belongs to a cluster already');
    const member = { ...this.self, peer: 1, promote: false };
    const membership = { voters: [1], votersOutgoing: [], learners: [], learnersNext: [] };
    await disk.adopt({ nodeId: this.self.nodeId, clusterId, peer: 1 }, { membership, list: [member], nextPeer: 2 });
    this.#run();
    await this.#conditions.until(() => this.#role.activeTerm !== 0);
  }

  async connect(tls: ClusterTls, signal?: AbortSignal): Promise<void> {
    if (this.#keeper.failure !== undefined) throw this.#keeper.failure;
    const { identity, members } = this.#opened();
    if (identity === undefined) throw new StorageError('conflict', 'this node belongs to no cluster yet');
    if (identity.removed === true) throw removedError();
    await this.#links.open(identity, members, tls);
    this.#run();
    if (isOnly(members, identity.peer)) await this.#conditions.until(() => this.#session?.settled === true, signal);
  }

  renewTls(tls: ClusterTls): Promise<void> {
    return this.#parts.transport.renew(tls);
  }

  hint(nodeId: string, clusterAddress: string): void {
    this.#parts.transport.hint(nodeId, clusterAddress);
  }

  onRemoved(listener: () => void): void {
    this.#belonging.onRemoved(listener);
  }

  get membership(): ClusterMembership {
    return this.#roster;
  }

  async disconnect(): Promise<void> {
    const session = this.#session;
    if (session !== undefined) {
      if (this.#role.activeTerm !== 0) await this.stepDown();
      await session.stop();
      this.#session = undefined;
      this.#conditions.notice();
    }
    await this.#links.close();
    await session?.snapshots.ended();
  }

  join(grant: JoinGrant, signal: AbortSignal): Promise<void> {
    return this.#belonging.join(grant, signal);
  }

  admit(
    peer: NodeAddress,
    options: { readonly nonVoter: boolean },
  ): Promise<{ peerId: number; peers: readonly NumberedPeer[] }> {
    return this.#roster.admit(peer, options.nonVoter);
  }

  removePeer(nodeId: string): Promise<void> {
    return this.#roster.remove(nodeId);
  }

  peers(): readonly PeerInfo[] {
    return this.#roster.peers();
  }

  async snapshot(): Promise<StateSnapshot> {
    const disk = this.#opened();
    await this.#session?.driver.flush();
    return stateSnapshot(disk, this.peers());
  }

  restore(
    contents: () => AsyncIterable<Uint8Array>,
    requiredKeys: readonly string[],
    kept: readonly StateRecord[] = [],
  ): Promise<WriteResult> {
    return this.#restores.run(contents, requiredKeys, kept);
  }

  health(): RaftHealth {
    const removed = this.#keeper.found?.identity?.removed === true;
    return nodeHealth({ session: this.#session, failure: this.#keeper.failure, removed, clocks: this.#clocks });
  }

  status(): RaftNodeStatus {
    return nodeStatus({
      disk: this.#keeper.found,
      sizes: this.#keeper.sizes ?? NO_SIZES,
      session: this.#session,
      figures: this.#figures,
      writes: this.#writes,
    });
  }

  /** Takes part from now on, if it does not already. */
  #run(): void {
    this.#session ??= new RaftSession({
      parts: this.#parts,
      disk: this.#opened(),
      timing: this.#timing,
      writes: this.#writes,
      reads: this.#reads,
      role: this.#role,
      links: this.#links,
      conditions: this.#conditions,
      figures: this.#figures,
      appliedListeners: this.#appliedListeners,
      stateBytes: () => this.#keeper.sizes?.stateBytes,
      removed: () => this.#belonging.removed(),
      tick: () => {
        this.#roster.tend();
        this.#clocks.tend();
        this.#restores.tend();
      },
      failed: (error) => this.#keeper.fail(error),
    });
  }

  /** Everything that was in memory is gone, and what is on disk may be older: it is taken in again from the log. */
  #reopened(disk: LevelDisk): void {
    for (const listener of this.#appliedListeners) listener({ index: disk.applied, keys: [], everything: true });
    if (this.#session === undefined) return;
    this.#session = undefined;
    this.#run();
    this.#conditions.notice();
  }

  async #announce(peer: PeerId, address: NodeAddress): Promise<void> {
    await this.#proposeEntry(encodeAnnounce(peer, address), this.#role.activeTerm);
  }

  async #proposeEntry(data: Uint8Array, epoch: Epoch): Promise<WriteResult> {
    if (this.#keeper.failure !== undefined || this.#role.activeTerm === 0 || epoch !== this.#role.activeTerm)
      throw notActive();
    const applied = this.#writes.queue(data, epoch);
    this.#session?.driver.wake();
    return await applied;
  }

  // ---- small questions ----

  #refusal(batch: WriteBatch): StorageError | undefined {
    const { failure } = this.#keeper;
    if (failure !== undefined) return new StorageError('disk', 'the disk of this node failed', { cause: failure });
    if (this.#role.activeTerm === 0) return notActive();
    if (batch.epoch !== this.#role.activeTerm) {
      return new StorageError('epoch-lost', 'this was judged under an earlier epoch; nothing was written');
    }
    if (this.#held) return new StorageError('epoch-lost', 'the state is being replaced; nothing was written');
    return refuseKeys(batch.ops);
  }

  #opened(): LevelDisk {
    return this.#keeper.disk;
  }

  #running(): RaftSession {
    if (this.#session === undefined) throw notActive();
    return this.#session;
  }

  #selfPeer(): PeerId {
    return this.#keeper.found?.identity?.peer ?? 0;
  }
}
