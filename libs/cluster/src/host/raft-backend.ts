import { assert, type Clock, type Log, type MaybePromise, type Random } from '@coffer/kernel';
import {
  StorageError,
  type AppliedListener,
  type HaState,
  type KeyRange,
  type ListOptions,
  type NodeAddress,
  type WriteBatch,
  type WriteOp,
  type WriteResult,
} from '@coffer/storage';
import type { CreateRaft, Entry, LogIndex, MembershipStep, PeerId } from 'raft-ts';
import type {
  ClusterConfig,
  ClusterTls,
  ForwardChannel,
  JoinGrant,
  NumberedPeer,
  PeerInfo,
  RaftHealth,
  RaftNode,
  RaftNodeStatus,
  Transport,
} from '../cluster.ts';
import { LevelDisk } from '../disk/level-disk.ts';
import type { Member, Members } from '../disk/members.ts';
import { encodeAnnounce, encodeBatch } from '../disk/payload.codec.ts';
import { refuseKeys } from './batch-rules.ts';
import { ClusterLinks } from './cluster-links.ts';
import { Conditions } from './conditions.ts';
import { HaRole } from './ha-role.ts';
import { LeaderHints } from './leader-hints.ts';
import { nodeHealth, nodeStatus } from './node-figures.ts';
import { PendingWrites } from './pending-writes.ts';
import { RaftDriver, type CommitFigures, type DriverHooks, type Standing } from './raft-driver.ts';
import { ReadRounds } from './read-rounds.ts';
import { replayLocally } from './replay.ts';
import { Roster } from './roster.ts';
import { openSnapshot, SnapshotExchange, streamSnapshot } from './snapshot-exchange.ts';
import { ELECTION_TICKS, HEARTBEAT_TICKS, timing, type Timing } from './timing.ts';

/** What a node is made of. */
export interface RaftNodeParts {
  readonly config: ClusterConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly transport: Transport;
  readonly createRaft: CreateRaft;
}

/** The bytes of one append, and of one group of proposals. */
const GROUP_BYTES_MAX = 4 << 20;
const INFLIGHT_MAX = 64;
const UNCOMMITTED_BYTES_MAX = 128 << 20;
/** A node that joined waits so long to become a voter; it is a member without that, too. */
const PROMOTION_MS_MAX = 5000;

const notActive = (): StorageError => new StorageError('not-active', 'this node is not the active one');
const noLeader = (): StorageError => new StorageError('no-leader', 'this node takes no part in the cluster (sealed)');

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
  readonly #hints: LeaderHints;
  readonly #figures: CommitFigures = { groups: 0, entries: 0, msTotal: 0, msMax: 0, snapshotsInstalled: 0 };
  readonly #appliedListeners = new Set<AppliedListener>();
  readonly #role: HaRole;
  readonly #links: ClusterLinks;
  readonly #conditions: Conditions;
  #disk: LevelDisk | undefined;
  #driver: RaftDriver | undefined;
  #snapshots: SnapshotExchange | undefined;
  /** Leads, and is the only voter: its own state is the newest there is. */
  #alone = false;
  #failure: StorageError | undefined;
  #removed = false;
  #joining = false;
  #stuck = false;

  constructor(parts: RaftNodeParts) {
    const { config, clock, log, transport } = parts;
    this.#parts = parts;
    this.#log = log;
    this.#timing = timing(config.performanceMultiplier);
    this.self = { nodeId: config.nodeId, apiAddress: config.apiAddress, clusterAddress: config.clusterAddress };
    this.forward = transport.forward;
    this.#role = new HaRole(clock, log);
    this.#links = new ClusterLinks(transport, this.self);
    this.#conditions = new Conditions(() => this.#failure ?? this.#driver === undefined);
    this.#reads = new ReadRounds({
      ask: (request) => this.#driver?.act(() => this.#driver?.raft.readIndex(request)),
      nowMs: () => clock.monotonicMs(),
      appliedIndex: () => this.appliedIndex(),
      leaderKnown: () => this.#driver !== undefined && this.#driver.standing.leader !== 0,
    });
    this.#roster = new Roster(
      {
        self: this.self,
        selfPeer: () => this.#selfPeer(),
        members: () => this.#opened().members,
        raftStatus: () => this.#driver?.raft.status(),
        active: () => this.#role.activeTerm !== 0,
        leaderAddress: () => this.#leaderAddress(),
        change: (steps, context) => this.#changeMembers(steps, context),
        announce: (peer, address) => this.#announce(peer, address),
      },
      transport.forward,
      clock,
      log,
    );
    this.#hints = new LeaderHints(clock, parts.random, () => this.#driver);
    transport.onMessage((message) => this.#driver?.act(() => this.#driver?.raft.step(message)));
    transport.onUnreachable((peer, how) => this.#hints.unreachable(peer, how));
    transport.onSnapshot((from, meta, contents) => {
      if (this.#snapshots === undefined) return Promise.reject(noLeader());
      return this.#snapshots.receive(from, meta, contents);
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
    this.#driver?.wake();
    return result;
  }

  readBarrier(signal?: AbortSignal): MaybePromise<void> {
    if (this.#alone) return undefined;
    if (this.#driver === undefined) throw noLeader();
    return this.#reads.wait(signal);
  }

  subscribe(listener: AppliedListener): () => void {
    this.#appliedListeners.add(listener);
    return () => this.#appliedListeners.delete(listener);
  }

  appliedIndex(): number {
    return this.#disk?.applied ?? 0;
  }

  async close(): Promise<void> {
    await this.disconnect();
    const disk = this.#disk;
    this.#disk = undefined;
    if (disk === undefined) return;
    if (this.#failure === undefined && disk.behind) await disk.commit({ entries: [] });
    await disk.close();
  }

  // ---- HaCoordinator ----

  state(): HaState {
    return this.#role.state;
  }

  onChange(listener: (state: HaState) => void): () => void {
    return this.#role.onChange(listener);
  }

  async stepDown(): Promise<void> {
    const tried = new Set<PeerId>([this.#selfPeer()]);
    while (this.#leads()) {
      const raft = this.#running().raft;
      const { progress, membership } = raft.status();
      const [best] = progress
        .filter(({ peer, recentlyActive }) => recentlyActive && !tried.has(peer) && membership.voters.includes(peer))
        .sort((left, right) => right.match - left.match);
      if (best === undefined) return;
      tried.add(best.peer);
      this.#log.info('handing over the lead', { to: best.peer });
      this.#driver?.act(() => raft.transferLeadership(best.peer));
      await this.#conditions.until(() => !this.#leads() || this.#driver?.raft.status().transferee === 0);
    }
  }

  // ---- RaftNode ----

  async open(): Promise<void> {
    assert(this.#disk === undefined, 'a node is opened once');
    this.#disk = await LevelDisk.open(this.#parts.config.path, this.#parts.config.nodeId);
    this.#failure = undefined;
    await replayLocally(this.#disk);
  }

  clusterId(): string | undefined {
    const disk = this.#opened();
    // A number without a state is a join that came to nothing.
    return disk.blank ? undefined : disk.identity?.clusterId;
  }

  async bootstrap(clusterId: string): Promise<void> {
    const disk = this.#opened();
    if (!disk.blank || this.#driver !== undefined)
      throw new StorageError('conflict', 'this node belongs to a cluster already');
    const member = { ...this.self, peer: 1, promote: false };
    const membership = { voters: [1], votersOutgoing: [], learners: [], learnersNext: [] };
    await disk.adopt({ nodeId: this.self.nodeId, clusterId, peer: 1 }, { membership, list: [member], nextPeer: 2 });
    this.#run();
    await this.#conditions.until(() => this.#role.activeTerm !== 0);
  }

  async connect(tls: ClusterTls, signal?: AbortSignal): Promise<void> {
    const { identity } = this.#opened();
    if (identity === undefined) throw new StorageError('conflict', 'this node belongs to no cluster yet');
    await this.#links.open(identity, this.#opened().members, tls);
    if (this.#driver === undefined) this.#run();
    await this.#conditions.until(() => this.#driver?.standing.leader !== 0 && this.#settled(), signal);
  }

  async disconnect(): Promise<void> {
    const driver = this.#driver;
    if (driver !== undefined) {
      if (this.#role.activeTerm !== 0) await this.stepDown();
      await driver.stop();
      this.#driver = undefined;
      this.#snapshots = undefined;
      this.#becomeStandby(undefined);
      this.#writes.abandon(notActive);
      this.#reads.abandon(noLeader);
      this.#conditions.notice();
    }
    await this.#links.close();
  }

  async join(grant: JoinGrant, signal: AbortSignal): Promise<void> {
    if (this.#joining) throw new StorageError('conflict', 'this node is joining already');
    this.#joining = true;
    try {
      await this.#join(grant, signal);
    } catch (error) {
      // Nothing arrived: the next attempt gets another number.
      if (this.#disk?.blank === true) await this.disconnect();
      throw error;
    } finally {
      this.#joining = false;
    }
  }

  async #join({ clusterId, peerId, tls, peers }: JoinGrant, signal: AbortSignal): Promise<void> {
    const disk = this.#opened();
    const known = disk.identity;
    if (known?.clusterId !== clusterId || known.peer !== peerId) {
      if (!disk.blank) throw new StorageError('conflict', 'this node holds the state of a cluster already');
      await this.disconnect();
      await disk.adopt({ nodeId: this.self.nodeId, clusterId, peer: peerId });
    }
    this.#links.introduce(peers);
    await this.#links.open({ nodeId: this.self.nodeId, clusterId, peer: peerId }, disk.members, tls);
    if (this.#driver === undefined) this.#run();
    const own = (): Member | undefined => disk.members.list.find((member) => member.peer === peerId);
    await this.#conditions.until(() => own() !== undefined, signal);
    signal.throwIfAborted();
    await this.#upToDate(signal);
    const patience = new AbortController();
    const cancel = this.#parts.clock.after(PROMOTION_MS_MAX, () => patience.abort());
    await this.#conditions.until(() => own()?.promote !== true, AbortSignal.any([signal, patience.signal]));
    cancel();
  }

  /** Waits until the state here is the cluster's, however long that takes. */
  async #upToDate(signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      try {
        return await this.readBarrier(signal);
      } catch (error) {
        if (!(error instanceof StorageError) || this.#driver === undefined || this.#failure !== undefined) throw error;
        this.#log.debug('waiting for the state of the cluster', { error });
      }
    }
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

  async snapshot(): Promise<{ readonly index: number; readonly contents: AsyncIterable<Uint8Array> }> {
    const disk = this.#opened();
    await this.#driver?.flush();
    const { view, header } = await openSnapshot(disk, disk.identity?.clusterId ?? '', disk.hardState.term);
    return { index: header.index, contents: streamSnapshot(view, header) };
  }

  health(): RaftHealth {
    return nodeHealth({ driver: this.#driver, failure: this.#failure, stuck: this.#stuck, removed: this.#removed });
  }

  status(): RaftNodeStatus {
    return nodeStatus({
      disk: this.#disk,
      driver: this.#driver,
      figures: this.#figures,
      writes: this.#writes,
      snapshotsSent: this.#snapshots?.sent ?? 0,
    });
  }

  // ---- running ----

  /** Creates the core from what is on disk and lets it run. */
  #run(): void {
    const { config, clock, random, log, transport, createRaft } = this.#parts;
    const disk = this.#opened();
    const identity = disk.identity;
    assert(identity !== undefined, 'a node that runs has a number');
    const raft = createRaft(
      {
        id: identity.peer,
        electionTicks: ELECTION_TICKS,
        heartbeatTicks: HEARTBEAT_TICKS,
        appendBytesMax: GROUP_BYTES_MAX,
        inflightMax: INFLIGHT_MAX,
        uncommittedBytesMax: UNCOMMITTED_BYTES_MAX,
        random: (below) => random.below(below),
      },
      { hardState: disk.hardState, membership: disk.members.membership, applied: disk.applied },
      disk.log,
    );
    const limits = { entriesMax: config.logEntriesMax, bytesMax: config.logBytesMax };
    const driver = new RaftDriver({ raft, disk, clock, log, hooks: this.#hooks(), limits, figures: this.#figures });
    this.#driver = driver;
    const { peer: self, clusterId } = identity;
    this.#snapshots = new SnapshotExchange({ disk, driver, transport, log, self, clusterId });
    this.#removed = false;
    this.#links.tell(this.#selfPeer(), this.#opened().members);
    driver.start(this.#timing.tickMs, () => this.#tick());
    if (isOnly(disk.members, self)) driver.act(() => raft.campaign());
  }

  #hooks(): DriverHooks {
    return {
      propose: () => this.#propose(),
      standing: (standing) => this.#stand(standing),
      applied: (entry, ops) => this.#applied(entry, ops),
      members: () => this.#membersChanged(),
      replaced: (index) => this.#replaced(index),
      readState: (state) => this.#reads.answer(state),
      send: (messages) => this.#links.send(messages),
      sendSnapshot: (to) => this.#snapshots?.send(to),
      failed: (error) => this.#failed(error),
    };
  }

  /** Hands the queue to raft as one group. */
  #propose(): void {
    const driver = this.#driver;
    if (driver === undefined || this.#writes.queued === 0 || this.#role.activeTerm === 0) return;
    const group = this.#writes.group(GROUP_BYTES_MAX);
    const outcome = driver.raft.propose(group);
    if (outcome.accepted) {
      // Before anything of it reached the disk: an entry judged under one term is never written under another.
      assert(outcome.term === this.#role.activeTerm, 'proposals go into the log in the term they were judged in');
      this.#writes.proposed(group.length, outcome.index, outcome.term);
    } else if (outcome.reason === 'not-leader') {
      this.#writes.leadLost(this.#parts.clock.monotonicMs());
    } else if (outcome.reason === 'too-large') {
      this.#writes.refuseQueued(() => new StorageError('too-large', 'the write is larger than the log takes'));
    }
    // While busy or transferring they stay queued.
  }

  #applied(entry: Entry, ops: readonly WriteOp[]): void {
    if (ops.length > 0 && this.#appliedListeners.size > 0) {
      const batch = { index: entry.index, keys: ops.map((op) => op.key) };
      for (const listener of this.#appliedListeners) listener(batch);
    }
    this.#writes.applied(entry.index, entry.term);
    this.#reads.applied(entry.index);
    if (entry.kind !== 'data') {
      const standing = this.#driver?.standing;
      if (entry.kind === 'empty' && standing?.role === 'leader' && standing.term === entry.term) {
        this.#becomeActive(entry.term);
      }
      this.#conditions.notice();
    }
  }

  #replaced(index: LogIndex): void {
    for (const listener of this.#appliedListeners) listener({ index, keys: [], everything: true });
    this.#writes.replaced(index);
    this.#reads.applied(index);
    this.#conditions.notice();
  }

  #stand(standing: Standing): void {
    if (standing.role === 'leader') {
      if (standing.term !== this.#role.activeTerm) this.#becomeStandby(undefined);
    } else {
      const led = this.#role.activeTerm !== 0;
      this.#becomeStandby(this.#leaderAddress());
      if (led || this.#writes.queued > 0 || this.#writes.waiting > 0) {
        this.#writes.leadLost(this.#parts.clock.monotonicMs());
      }
    }
    this.#conditions.notice();
  }

  #becomeActive(term: number): void {
    this.#alone = isOnly(this.#opened().members, this.#selfPeer());
    this.#role.becomeActive(term);
  }

  #becomeStandby(leader: NodeAddress | undefined): void {
    this.#alone = false;
    this.#role.becomeStandby(leader);
  }

  #membersChanged(): void {
    const { members } = this.#opened();
    const self = this.#selfPeer();
    this.#alone = this.#role.activeTerm !== 0 && isOnly(members, self);
    const { voters, votersOutgoing, learners } = members.membership;
    const removed = ![...voters, ...votersOutgoing, ...learners].includes(self);
    if (removed && !this.#removed) this.#log.warn('this node was removed from the cluster');
    this.#removed = removed;
    this.#links.tell(this.#selfPeer(), this.#opened().members);
    if (this.#role.state.role === 'standby') this.#becomeStandby(this.#leaderAddress());
  }

  #failed(error: StorageError): void {
    this.#failure = error;
    this.#becomeStandby(undefined);
    this.#writes.abandon(() => new StorageError('disk', 'the disk of the active node failed', { cause: error }));
    this.#reads.abandon(noLeader);
    this.#conditions.notice();
  }

  #tick(): void {
    this.#watchDisk();
    this.#writes.expire(this.#parts.clock.monotonicMs());
    this.#reads.tick();
    this.#roster.tend();
    this.#conditions.notice();
  }

  /** A leader whose disk hangs sends no heartbeats, so the others elect someone else: it should not claim otherwise. */
  #watchDisk(): void {
    const driver = this.#driver;
    if (driver === undefined) return;
    const stuck = driver.writeMs() > this.#timing.stuckMs;
    if (stuck === this.#stuck) return;
    this.#stuck = stuck;
    if (stuck) {
      this.#log.error('the disk is stuck: a write does not come to an end');
      if (!this.#alone) this.#becomeStandby(undefined);
    } else {
      this.#log.warn('the disk works again');
      const { role, term } = driver.raft.status();
      if (role === 'leader' && this.#opened().appliedTerm === term) this.#becomeActive(term);
    }
  }

  // ---- members ----

  async #changeMembers(steps: readonly MembershipStep[], context: Uint8Array): Promise<boolean> {
    const driver = this.#running();
    if (this.#role.activeTerm === 0) throw notActive();
    const outcome = driver.raft.proposeMembership({ kind: 'enter', steps, context });
    if (outcome.accepted) {
      const applied = this.#writes.entry(outcome.index, outcome.term);
      driver.wake();
      await applied;
      return true;
    }
    if (outcome.reason === 'not-leader') throw notActive();
    return false;
  }

  async #announce(peer: PeerId, address: NodeAddress): Promise<void> {
    if (this.#role.activeTerm === 0) throw notActive();
    const applied = this.#writes.queue(encodeAnnounce(peer, address), this.#role.activeTerm);
    this.#driver?.wake();
    await applied;
  }

  // ---- small questions ----

  #refusal(batch: WriteBatch): StorageError | undefined {
    if (this.#failure !== undefined) {
      return new StorageError('disk', 'the disk of this node failed', { cause: this.#failure });
    }
    if (this.#role.activeTerm === 0) return notActive();
    if (batch.epoch !== this.#role.activeTerm) {
      return new StorageError('epoch-lost', 'this was judged under an earlier epoch; nothing was written');
    }
    return refuseKeys(batch.ops);
  }

  #opened(): LevelDisk {
    if (this.#disk === undefined) throw new StorageError('closed', 'the storage is not open');
    return this.#disk;
  }

  #running(): RaftDriver {
    if (this.#driver === undefined) throw notActive();
    return this.#driver;
  }

  #selfPeer(): PeerId {
    return this.#disk?.identity?.peer ?? 0;
  }

  #leads(): boolean {
    return this.#driver?.standing.role === 'leader' && this.#failure === undefined;
  }

  /** Whether this node, if it leads, is active already. */
  #settled(): boolean {
    return !this.#leads() || this.#role.activeTerm !== 0;
  }

  #leaderAddress(): NodeAddress | undefined {
    const leader = this.#driver?.standing.leader;
    if (leader === undefined || leader === 0 || this.#disk === undefined) return undefined;
    const member = this.#disk.members.list.find((known) => known.peer === leader);
    if (member === undefined) return undefined;
    const { nodeId, apiAddress, clusterAddress } = member;
    return { nodeId, apiAddress, clusterAddress };
  }
}

function isOnly(members: Members, self: PeerId): boolean {
  const { voters, votersOutgoing } = members.membership;
  return voters.length === 1 && voters[0] === self && votersOutgoing.length === 0;
}
