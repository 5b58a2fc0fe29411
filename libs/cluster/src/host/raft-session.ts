import { assert, type Clock, type Log, type Random } from '@coffer/kernel';
import { StorageError, type AppliedListener, type NodeAddress, type WriteOp } from '@coffer/storage';
import type { CreateRaft, Entry, LogIndex, MembershipStep, PeerId, Raft } from 'raft-ts';
import type { ClusterConfig, Transport } from '../cluster.ts';
import type { LevelDisk } from '../disk/level-disk.ts';
import type { Members } from '../disk/members.ts';
import type { ClusterLinks } from './cluster-links.ts';
import type { Conditions } from './conditions.ts';
import type { HaRole } from './ha-role.ts';
import type { CommitFigures } from './node-figures.ts';
import { notActive, noLeader } from './node-errors.ts';
import type { PendingWrites } from './pending-writes.ts';
import { RaftDriver, type DriverHooks, type Standing } from './raft-driver.ts';
import type { ReadRounds } from './read-rounds.ts';
import { SnapshotExchange } from './snapshot-exchange.ts';
import { ELECTION_TICKS, HEARTBEAT_TICKS, type Timing } from './timing.ts';

/** The bytes of one append, and of one group of proposals. */
const GROUP_BYTES_MAX = 4 << 20;
const INFLIGHT_MAX = 64;
const UNCOMMITTED_BYTES_MAX = 128 << 20;

/** What a node is made of. */
export interface RaftNodeParts {
  readonly config: ClusterConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly transport: Transport;
  readonly createRaft: CreateRaft;
}

/** What outlives a session: the node's own, shared with whoever asks the node. */
export interface SessionHost {
  readonly parts: RaftNodeParts;
  readonly disk: LevelDisk;
  readonly timing: Timing;
  readonly writes: PendingWrites;
  readonly reads: ReadRounds;
  readonly role: HaRole;
  readonly links: ClusterLinks;
  readonly conditions: Conditions;
  readonly figures: CommitFigures;
  readonly appliedListeners: ReadonlySet<AppliedListener>;
  /** This node is no member any more. */
  removed(): void;
  /** How large the state is on disk, in bytes; undefined while that is not known. */
  stateBytes(): number | undefined;
  /** With each tick, after raft's. */
  tick(): void;
  /** The disk failed: `RaftSession.fail` is to be called. */
  failed(error: StorageError): void;
}

/**
 * One spell of taking part in the cluster, from unsealing to sealing: runs the core and passes on what it says, to the
 * writes and reads that wait, to the node's role and to those who follow the state.
 */
export class RaftSession {
  readonly driver: RaftDriver;
  readonly snapshots: SnapshotExchange;
  readonly #host: SessionHost;
  readonly #self: PeerId;
  readonly #log: Log;
  readonly #clock: Clock;
  #alone = false;
  #stuck = false;
  #failed = false;
  #leaderAtMs: number;

  /** Creates the core from what is on disk and lets it run. */
  constructor(host: SessionHost) {
    const { parts, disk, timing, figures, links } = host;
    const { config, clock, random, log, transport, createRaft } = parts;
    const { identity } = disk;
    assert(identity !== undefined, 'a node that runs has a number');
    this.#host = host;
    this.#self = identity.peer;
    this.#log = log;
    this.#clock = clock;
    this.#leaderAtMs = clock.monotonicMs();
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
    const limits = {
      entriesMax: config.logEntriesMax,
      bytesMax: config.logBytesMax,
      stateBytes: () => host.stateBytes(),
    };
    const driver = new RaftDriver({ raft, disk, clock, log, hooks: this.#hooks(), limits, figures });
    this.driver = driver;
    const { peer: self, clusterId } = identity;
    this.snapshots = new SnapshotExchange({ disk, driver, transport, log, self, clusterId });
    links.tell(self, disk.members);
    driver.start(timing.tickMs, () => this.#tick());
    if (isOnly(disk.members, self)) driver.act(() => raft.campaign());
  }

  get raft(): Raft {
    return this.driver.raft;
  }

  /** Leads, and is the only voter: its own state is the newest there is. */
  get alone(): boolean {
    return this.#alone;
  }

  /** Whether the present write to the disk takes longer than the others would wait for this node. */
  get stuck(): boolean {
    return this.#stuck;
  }

  get leads(): boolean {
    return this.driver.standing.role === 'leader' && !this.#failed;
  }

  /** Knows a leader and, where that is this node, is active already. */
  get settled(): boolean {
    return this.driver.standing.leader !== 0 && (!this.leads || this.#host.role.activeTerm !== 0);
  }

  /** For how long it has not known a leader, in milliseconds. */
  leaderlessMs(): number {
    return this.driver.standing.leader !== 0 && !this.#failed ? 0 : this.#clock.monotonicMs() - this.#leaderAtMs;
  }

  /** Does something with raft and then what raft asks for; see `RaftDriver.act`. */
  act(run: (raft: Raft) => void): void {
    this.driver.act(() => run(this.driver.raft));
  }

  leaderAddress(): NodeAddress | undefined {
    const { leader } = this.driver.standing;
    if (leader === 0) return undefined;
    const member = this.#host.disk.members.list.find((known) => known.peer === leader);
    if (member === undefined) return undefined;
    const { nodeId, apiAddress, clusterAddress } = member;
    return { nodeId, apiAddress, clusterAddress };
  }

  /**
   * Hands the lead to the follower that has most, or the next, until one took it or none is left.
   *
   * @param to only this one is to have it
   */
  async handOver(to?: PeerId): Promise<void> {
    const tried = new Set<PeerId>([this.#self]);
    while (this.leads) {
      const { progress, membership } = this.raft.status();
      const [best] = progress
        .filter(({ peer, recentlyActive }) => recentlyActive && !tried.has(peer) && membership.voters.includes(peer))
        .filter(({ peer }) => to === undefined || peer === to)
        .sort((left, right) => right.match - left.match);
      if (best === undefined) return;
      tried.add(best.peer);
      this.#log.info('handing over the lead', { to: best.peer });
      this.act((raft) => raft.transferLeadership(best.peer));
      await this.#host.conditions.until(() => !this.leads || this.raft.status().transferee === 0);
    }
  }

  /** Ends it, when what was applied is on disk. Who waits for something is told that it is not to be had here. */
  async stop(): Promise<void> {
    await this.driver.stop();
    this.#becomeStandby(undefined);
    this.#host.writes.abandon(notActive);
    this.#host.reads.abandon(noLeader);
  }

  /** Ends it at once, since the disk failed. */
  fail(error: StorageError): void {
    const { writes, reads, conditions } = this.#host;
    if (this.#failed) return;
    this.#failed = true;
    this.driver.halt();
    this.#becomeStandby(undefined);
    writes.abandon(() => new StorageError('disk', 'the disk of the active node failed', { cause: error }));
    reads.abandon(noLeader);
    conditions.notice();
  }

  /**
   * On the active node: proposes a change of members and waits until it took effect.
   *
   * @returns false where another change is under way
   * @throws StorageError as `Backend.write`
   */
  async changeMembers(steps: readonly MembershipStep[], context: Uint8Array): Promise<boolean> {
    if (this.#host.role.activeTerm === 0) throw notActive();
    const outcome = this.raft.proposeMembership({ kind: 'enter', steps, context });
    if (outcome.accepted) {
      const applied = this.#host.writes.entry(outcome.index, outcome.term);
      this.driver.wake();
      await applied;
      return true;
    }
    if (outcome.reason === 'not-leader') throw notActive();
    return false;
  }

  // ---- what the core says ----

  #hooks(): DriverHooks {
    const { reads, links } = this.#host;
    return {
      propose: () => this.#propose(),
      standing: (standing) => this.#stand(standing),
      applied: (entry, ops) => this.#applied(entry, ops),
      members: () => this.#membersChanged(),
      replaced: (index) => this.#replaced(index),
      restored: (index) => this.#tellEverything(index),
      readState: (state) => reads.answer(state),
      send: (messages) => links.send(messages),
      sendSnapshot: (to) => this.snapshots.send(to),
      failed: (error) => this.#host.failed(error),
    };
  }

  /** Hands the queue to raft as one group. */
  #propose(): void {
    const { writes, role } = this.#host;
    if (writes.queued === 0 || role.activeTerm === 0) return;
    const group = writes.group(GROUP_BYTES_MAX);
    const outcome = this.raft.propose(group);
    if (outcome.accepted) {
      // Before anything of it reached the disk: an entry judged under one term is never written under another.
      assert(outcome.term === role.activeTerm, 'proposals go into the log in the term they were judged in');
      writes.proposed(group.length, outcome.index, outcome.term);
    } else if (outcome.reason === 'not-leader') {
      writes.leadLost(this.#clock.monotonicMs());
    } else if (outcome.reason === 'too-large') {
      writes.refuseQueued(() => new StorageError('too-large', 'the write is larger than the log takes'));
    }
    // While busy or transferring they stay queued.
  }

  #applied(entry: Entry, ops: readonly WriteOp[]): void {
    const { appliedListeners, writes, reads, conditions } = this.#host;
    if (ops.length > 0 && appliedListeners.size > 0) {
      const batch = { index: entry.index, keys: ops.map((op) => op.key) };
      for (const listener of appliedListeners) listener(batch);
    }
    writes.applied(entry.index, entry.term);
    reads.applied(entry.index);
    if (entry.kind !== 'data') {
      const { standing } = this.driver;
      if (entry.kind === 'empty' && standing.role === 'leader' && standing.term === entry.term) {
        this.#becomeActive(entry.term);
      }
      conditions.notice();
    }
  }

  #replaced(index: LogIndex): void {
    const { writes, reads, conditions } = this.#host;
    this.#tellEverything(index);
    writes.replaced(index);
    reads.applied(index);
    conditions.notice();
  }

  #tellEverything(index: LogIndex): void {
    for (const listener of this.#host.appliedListeners) listener({ index, keys: [], everything: true });
  }

  #stand(standing: Standing): void {
    const { role, writes, conditions } = this.#host;
    if (standing.role === 'leader') {
      if (standing.term !== role.activeTerm) this.#becomeStandby(undefined);
    } else {
      const led = role.activeTerm !== 0;
      this.#becomeStandby(this.leaderAddress());
      if (led || writes.queued > 0 || writes.waiting > 0) writes.leadLost(this.#clock.monotonicMs());
    }
    conditions.notice();
  }

  #becomeActive(term: number): void {
    this.#alone = isOnly(this.#host.disk.members, this.#self);
    this.#host.role.becomeActive(term);
  }

  #becomeStandby(leader: NodeAddress | undefined): void {
    this.#alone = false;
    this.#host.role.becomeStandby(leader);
  }

  #membersChanged(): void {
    const { disk, role, links } = this.#host;
    const { members } = disk;
    this.#alone = role.activeTerm !== 0 && isOnly(members, this.#self);
    links.tell(this.#self, members);
    // Its number was given away once and is not listed: numbers are never used again.
    if (members.nextPeer > this.#self && !members.list.some(({ peer }) => peer === this.#self)) this.#host.removed();
    if (role.state.role === 'standby') this.#becomeStandby(this.leaderAddress());
  }

  #tick(): void {
    const { writes, reads, conditions } = this.#host;
    this.#watchDisk();
    if (this.driver.standing.leader !== 0) this.#leaderAtMs = this.#clock.monotonicMs();
    writes.expire(this.#clock.monotonicMs());
    reads.tick();
    this.#host.tick();
    conditions.notice();
  }

  /** A leader whose disk hangs sends no heartbeats, so the others elect someone else: it should not claim otherwise. */
  #watchDisk(): void {
    const stuck = this.driver.writeMs() > this.#host.timing.stuckMs;
    if (stuck === this.#stuck) return;
    this.#stuck = stuck;
    if (stuck) {
      this.#log.error('the disk is stuck: a write does not come to an end');
      // A standby keeps the leader that it knows: nobody tells it again where that stays the same.
      if (this.leads && !this.#alone) this.#becomeStandby(undefined);
    } else {
      this.#log.warn('the disk works again');
      const { role, term } = this.raft.status();
      if (role === 'leader' && this.#host.disk.appliedTerm === term) this.#becomeActive(term);
    }
  }
}

/** Whether a node decides alone. */
export function isOnly(members: Members, self: PeerId): boolean {
  const { voters, votersOutgoing } = members.membership;
  return voters.length === 1 && voters[0] === self && votersOutgoing.length === 0;
}
