import { AssertionFailure, type CancelTimer, type Clock, type Log } from '@coffer/kernel';
import { StorageError, type WriteOp } from '@coffer/storage';
import type {
  Entry,
  HardState,
  LogIndex,
  Message,
  PeerId,
  Raft,
  ReadState,
  Ready,
  Role,
  SnapshotMeta,
  Term,
} from 'raft-ts';
import type { LevelDisk } from '../disk/level-disk.ts';
import { decodeMemberContext, withMember, type Members } from '../disk/members.ts';
import { decodePayload } from '../disk/payload.codec.ts';
import type { OpenRestore } from '../disk/restore.codec.ts';
import { cutUpTo, type LogLimits } from './log-limits.ts';
import type { CommitFigures } from './node-figures.ts';

/** What raft says about this node. */
export interface Standing {
  readonly role: Role;
  readonly leader: PeerId;
  readonly term: Term;
}

/** What the driver tells, always synchronously and in the order in which it happens. */
export interface DriverHooks {
  /** Before each look at raft: the place to propose. */
  propose(): void;
  standing(standing: Standing): void;
  /** An entry took effect; `ops` are those of a batch. */
  applied(entry: Entry, ops: readonly WriteOp[]): void;
  members(members: Members): void;
  /** A snapshot replaced the state. */
  replaced(index: LogIndex): void;
  /** A restore replaced the state; what came before it in the log took effect, each in its turn. */
  restored(index: LogIndex): void;
  readState(state: ReadState): void;
  send(messages: readonly Message[]): void;
  sendSnapshot(to: PeerId): void;
  /** Nothing works any more: the disk failed. */
  failed(error: StorageError): void;
}

/** A snapshot that was received and lies beside the state. */
export interface StagedSnapshot {
  readonly meta: SnapshotMeta;
  readonly members: Members;
  readonly restore?: OpenRestore;
  readonly done: (outcome: 'installed' | 'unwanted') => void;
}

/** While nothing is written, the log is looked at every so many ticks: followers may have caught up. */
const CUT_TICKS = 50;

/**
 * So many messages are taken in while a write is under way; raft answers each, and holds the answers until it is done. A
 * cluster sends a few hundred; beyond it a peer floods, or the disk is stuck, and what is dropped comes again.
 */
const HEARD_MAX = 16_384;

const NOTHING: readonly Entry[] = [];
const NO_OPS: readonly WriteOp[] = [];

/**
 * Does what raft asks for, in the order that it asks: write and sync, then send, then apply. There is one write at a
 * time; what comes in meanwhile (proposals, messages, ticks) makes up the next (group commit).
 */
export class RaftDriver {
  readonly #raft: Raft;
  readonly #disk: LevelDisk;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #hooks: DriverHooks;
  readonly #limits: LogLimits;
  readonly #figures: CommitFigures;
  #ticking: CancelTimer | undefined;
  #scheduled = false;
  #pumping = false;
  #stopped = false;
  #standing: Standing;
  /** What raft wants stored at the next occasion. */
  #hardState: HardState | undefined;
  #flushWanted = false;
  #quietTicks = 0;
  /** Messages since raft was last looked at. */
  #heard = 0;
  #writingSinceMs: number | undefined;
  #staged: StagedSnapshot | undefined;
  #idle: (() => void)[] = [];
  #flushed: (() => void)[] = [];
  /** Peers that get a snapshot, and from where on they will need the log. */
  readonly #needed = new Map<PeerId, LogIndex>();

  constructor(parts: {
    readonly raft: Raft;
    readonly disk: LevelDisk;
    readonly clock: Clock;
    readonly log: Log;
    readonly hooks: DriverHooks;
    readonly limits: LogLimits;
    readonly figures: CommitFigures;
  }) {
    this.#raft = parts.raft;
    this.#disk = parts.disk;
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.#hooks = parts.hooks;
    this.#limits = parts.limits;
    this.#figures = parts.figures;
    const { role, leader, term } = parts.raft.status();
    this.#standing = { role, leader, term };
  }

  get raft(): Raft {
    return this.#raft;
  }

  get standing(): Standing {
    return this.#standing;
  }

  /** For how long the present write has been under way, in milliseconds. */
  writeMs(): number {
    return this.#writingSinceMs === undefined ? 0 : this.#clock.monotonicMs() - this.#writingSinceMs;
  }

  start(tickMs: number, onTick: () => void): void {
    this.#ticking = this.#clock.every(tickMs, () => {
      this.act(() => {
        this.#raft.tick();
        onTick();
        this.#rest();
      });
    });
    this.wake();
  }

  /** Stops, and waits until the write under way is done; everything applied is on disk then. */
  async stop(): Promise<void> {
    this.#ticking?.();
    if (!this.#stopped) await this.flush();
    this.#stopped = true;
    if (this.#pumping) await new Promise<void>((resolve) => this.#idle.push(resolve));
    this.#settleStaged();
  }

  /** Stops at once, as after a failure. */
  halt(): void {
    this.#ticking?.();
    this.#stopped = true;
    this.#release(this.#flushed);
    this.#settleStaged();
  }

  /** Does something with raft and then what raft asks for. Defects end the process. */
  act(run: () => void): void {
    if (this.#stopped) return;
    try {
      run();
    } catch (error) {
      this.#fail(error);
      return;
    }
    if (this.#raft.hasReady()) this.wake();
  }

  /** A message of a peer. */
  hear(message: Message): void {
    if (this.#heard >= HEARD_MAX) return;
    this.#heard += 1;
    this.act(() => this.#raft.step(message));
  }

  /** Looks at raft in this turn of the event loop, after what else is to be read in it. */
  wake(): void {
    if (this.#scheduled || this.#pumping || this.#stopped) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      void this.#pump();
    });
  }

  /** Resolves when everything applied so far is on disk. */
  async flush(): Promise<void> {
    if (this.#stopped || (!this.#disk.behind && !this.#pumping)) return;
    await new Promise<void>((resolve) => {
      this.#flushed.push(resolve);
      this.#flushWanted = true;
      this.wake();
    });
  }

  /** A received snapshot is complete and verified: hand it to raft. */
  offer(staged: StagedSnapshot, message: Message): void {
    if (this.#stopped) {
      staged.done('unwanted');
      return;
    }
    this.#staged = staged;
    this.act(() => this.#raft.step(message));
    this.wake();
  }

  /** Keeps the log from an index on for a peer, within bounds; undefined ends it. */
  need(peer: PeerId, from: LogIndex | undefined): void {
    if (from === undefined) this.#needed.delete(peer);
    else this.#needed.set(peer, from);
  }

  async #pump(): Promise<void> {
    if (this.#pumping || this.#stopped) return;
    this.#pumping = true;
    try {
      while (!this.#stopped) {
        this.#hooks.propose();
        if (this.#raft.hasReady()) {
          const writing = this.#process(this.#raft.ready());
          if (writing !== undefined) await writing;
        } else if (this.#flushWanted) {
          await this.#flushNow();
        } else {
          // Nothing is awaited from the look at the queue to here, so that nothing can slip in between unseen.
          break;
        }
      }
      this.#settleStaged();
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#pumping = false;
      this.#release(this.#idle);
    }
  }

  async #flushNow(): Promise<void> {
    this.#flushWanted = false;
    const waiting = this.#flushed;
    this.#flushed = [];
    if (this.#disk.behind || this.#hardState !== undefined || this.#cut() !== undefined) await this.#commit(NOTHING);
    this.#release(waiting);
  }

  #process(ready: Ready): Promise<void> | undefined {
    this.#heard = 0;
    if (ready.status !== undefined) {
      this.#standing = ready.status;
      this.#hooks.standing(ready.status);
    }
    if (ready.rival !== undefined) {
      this.#log.error('a second peer claims to lead this term; it is ignored', { peer: ready.rival });
    }
    if (ready.earlyMessages.length > 0) this.#hooks.send(ready.earlyMessages);
    if (ready.hardState !== undefined) this.#hardState = ready.hardState;
    // A commit index alone waits for the next write: after a crash the leader tells it again.
    if (ready.entries.length === 0 && !ready.mustSync && ready.snapshot === undefined) {
      this.#finish(ready);
      return undefined;
    }
    return this.#writeAndFinish(ready);
  }

  async #writeAndFinish(ready: Ready): Promise<void> {
    if (ready.entries.length > 0 || ready.mustSync) await this.#commit(ready.entries);
    if (ready.snapshot !== undefined) await this.#install(ready.snapshot.meta);
    if (!this.#stopped) this.#finish(ready);
  }

  #finish(ready: Ready): void {
    this.#send(ready.messages);
    for (const entry of ready.committed) this.#apply(entry);
    this.#raft.advance();
    if (ready.committed.length > 0) this.#raft.appliedTo(this.#disk.applied);
    for (const state of ready.readStates) this.#hooks.readState(state);
  }

  #send(messages: readonly Message[]): void {
    if (messages.length === 0) return;
    const snapshots = messages.filter((message) => message.kind === 'snapshot');
    this.#hooks.send(snapshots.length === 0 ? messages : messages.filter((message) => message.kind !== 'snapshot'));
    for (const { to } of snapshots) this.#hooks.sendSnapshot(to);
  }

  #apply(entry: Entry): void {
    this.#quietTicks = 0;
    if (entry.kind === 'data') {
      this.#applyData(entry);
      return;
    }
    if (entry.kind === 'empty') {
      this.#disk.apply(entry.index, entry.term, NO_OPS);
    } else {
      const membership = this.#raft.applyMembership(entry.change);
      const member = entry.change.kind === 'enter' ? decodeMemberContext(entry.change.context) : undefined;
      this.#setMembers(entry, withMember(this.#disk.members, membership, member));
    }
    this.#hooks.applied(entry, NO_OPS);
  }

  #applyData(entry: Entry & { readonly kind: 'data' }): void {
    const payload = decodePayload(entry.data);
    if (payload.kind === 'batch') {
      this.#disk.apply(entry.index, entry.term, payload.ops);
      this.#hooks.applied(entry, payload.ops);
      return;
    }
    if (payload.kind === 'restore') {
      if (this.#disk.applyRestore(entry.index, entry.term, payload.step)) {
        this.#log.warn('a restore replaced the state', { index: entry.index });
        this.#hooks.restored(entry.index);
      }
      this.#hooks.applied(entry, NO_OPS);
      return;
    }
    const { membership, list, nextPeer } = this.#disk.members;
    const moved = list.map((known) => (known.peer === payload.peer ? { ...known, ...payload.address } : known));
    this.#setMembers(entry, { membership, list: moved, nextPeer });
    this.#hooks.applied(entry, NO_OPS);
  }

  #setMembers(entry: Entry, members: Members): void {
    this.#disk.applyMembers(entry.index, entry.term, members);
    this.#hooks.members(members);
  }

  async #commit(entries: readonly Entry[]): Promise<void> {
    const hardState = this.#hardState;
    this.#hardState = undefined;
    const cut = this.#cut();
    const startMs = this.#clock.monotonicMs();
    this.#writingSinceMs = startMs;
    await this.#disk.commit({
      entries,
      ...(hardState === undefined ? {} : { hardState }),
      ...(cut === undefined ? {} : { cutUpTo: cut }),
    });
    this.#writingSinceMs = undefined;
    const tookMs = this.#clock.monotonicMs() - startMs;
    this.#figures.groups++;
    this.#figures.entries += entries.length;
    this.#figures.msTotal += tookMs;
    this.#figures.msLast = tookMs;
    this.#figures.msMax = Math.max(this.#figures.msMax, tookMs);
  }

  #cut(): LogIndex | undefined {
    return cutUpTo(this.#disk, this.#limits, () => this.#neededFrom());
  }

  /** The first index that a follower which is alive still needs. */
  #neededFrom(): LogIndex {
    let needed = Number.MAX_SAFE_INTEGER;
    for (const from of this.#needed.values()) needed = Math.min(needed, from);
    if (this.#standing.role !== 'leader') return needed;
    for (const { recentlyActive, match, peer, state } of this.#raft.status().progress) {
      if (recentlyActive && state !== 'snapshot' && peer !== this.#raft.status().id)
        needed = Math.min(needed, match + 1);
    }
    return needed;
  }

  async #install(meta: SnapshotMeta): Promise<void> {
    const staged = this.#staged;
    this.#staged = undefined;
    if (staged === undefined || staged.meta.index !== meta.index || staged.meta.term !== meta.term) {
      staged?.done('unwanted');
      this.#raft.snapshotFailed();
      return;
    }
    const hardState = this.#hardState;
    this.#hardState = undefined;
    const switched = (): void => {
      // In the turn in which reads see the new state: no cache may outlive the old one.
      this.#raft.snapshotInstalled(meta);
      this.#figures.snapshotsInstalled++;
      this.#log.info('a snapshot from the leader replaced the state', { index: meta.index });
      this.#hooks.members(staged.members);
      this.#hooks.replaced(meta.index);
    };
    try {
      await this.#disk.install(meta, staged.members, hardState, switched, staged.restore);
    } catch (error) {
      // Else the leader would wait for ever for word of it.
      staged.done('unwanted');
      throw error;
    }
    staged.done('installed');
  }

  /** Tells who waits for it that a staged snapshot will not be installed. */
  #settleStaged(): void {
    this.#staged?.done('unwanted');
    this.#staged = undefined;
  }

  /** What was applied goes to the disk when nothing else takes it along for two ticks. */
  #rest(): void {
    this.#disk.tend(this.#clock.monotonicMs());
    this.#quietTicks++;
    if (this.#quietTicks < 2) return;
    if (!this.#disk.behind && (this.#quietTicks % CUT_TICKS !== 0 || this.#cut() === undefined)) return;
    this.#flushWanted = true;
    this.wake();
  }

  #release(waiting: (() => void)[]): void {
    for (const resolve of waiting.splice(0)) resolve();
  }

  #fail(error: unknown): void {
    this.halt();
    if (error instanceof StorageError) {
      this.#hooks.failed(error);
      return;
    }
    const defect =
      error instanceof AssertionFailure
        ? error
        : new AssertionFailure('the raft driver does not throw', { cause: error });
    // Out of every promise and callback, so that nobody can swallow it: it ends the process.
    queueMicrotask(() => {
      throw defect;
    });
  }
}
