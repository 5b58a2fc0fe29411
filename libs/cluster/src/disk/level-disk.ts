import { mkdir } from 'node:fs/promises';
import { assert, assertNever } from '@coffer/kernel';
import { StorageError, type KeyRange, type ListOptions, type WriteOp } from '@coffer/storage';
import { ClassicLevel } from 'classic-level';
import type { Entry, HardState, LogIndex, SnapshotMeta, Term } from 'raft-ts';
import { decodeIdentity, encodeIdentity, type DiskIdentity } from './identity.ts';
import { listNames } from './list-names.ts';
import { CHUNK_KEYS, LogStore } from './log-store.ts';
import { decodeMembers, encodeMembers, NO_MEMBERS, type Members } from './members.ts';
import { decodeMeta, EMPTY_META, encodeMeta, type DiskMeta } from './meta.codec.ts';
import { Overlay } from './overlay.ts';
import { RestoreStaging } from './restore-staging.ts';
import type { OpenRestore, RestoreStep, StateRecord } from './restore.codec.ts';
import { allStatesBut, below, generationKeys, statePrefix, type KeyInterval } from './state-roots.ts';
import { StateView } from './state-view.ts';

export type Level = ClassicLevel<string, Uint8Array>;

/** Keys of the database beside chunks (`l…`) and states (`s…`). */
const IDENTITY_KEY = 'i';
export const META_KEY = 'a';
export const MEMBERS_KEY = 'p';

const LEVEL_OPTIONS = {
  keyEncoding: 'utf8',
  valueEncoding: 'view',
  // Values are ciphertext, which does not get smaller.
  compression: false,
  writeBufferSize: 16 << 20,
  cacheSize: 64 << 20,
  maxFileSize: 8 << 20,
} as const;

/** So many bytes cut off the log before LevelDB is asked to give their space back. */
const COMPACT_AFTER_BYTES = 64 << 20;
/** So many deleted keys before LevelDB is asked to give their space back. */
const COMPACT_AFTER_DELETES = 50_000;

/** What one batch makes durable. */
export interface DiskChange {
  readonly entries: readonly Entry[];
  readonly hardState?: HardState;
  /** Entries up to here are no longer needed. */
  readonly cutUpTo?: LogIndex;
}

/**
 * The disk of a node: one LevelDB with log, vote, members and state. What was applied lies in memory (`Overlay`) until
 * the next batch takes it along, so that applying costs no write of its own; a batch is always synced, and its record of
 * the applied index always matches the state in it. Not for use from two places at once, but for reads.
 */
export class LevelDisk {
  readonly log: LogStore;
  readonly #db: Level;
  readonly #overlay = new Overlay();
  readonly #restore: RestoreStaging;
  #identity: DiskIdentity | undefined;
  #meta: DiskMeta;
  #members: Members;
  #membersChanged = false;
  #root: LogIndex;
  #prefix: string;
  /** States that are out of reach once the next batch is written. */
  #garbage: string[] = [];
  #collecting: Promise<void> = Promise.resolve();
  #applied: LogIndex;
  #appliedTerm: Term;
  /** The last write or clearing; the next begins after it. */
  #tail: Promise<void> = Promise.resolve();
  #busy = false;
  #cutBytes = 0;
  #deletes = 0;
  #compacting: Promise<void> | undefined;

  private constructor(db: Level, meta: DiskMeta, members: Members, identity: DiskIdentity | undefined, log: LogStore) {
    this.#db = db;
    this.#meta = meta;
    this.#members = members;
    this.#identity = identity;
    this.#restore = new RestoreStaging(meta.restore);
    this.#root = meta.root;
    this.#prefix = statePrefix(meta.generation, meta.root);
    this.#applied = meta.applied;
    this.#appliedTerm = meta.appliedTerm;
    this.log = log;
  }

  /**
   * Opens the folder, which it creates if need be.
   *
   * @throws StorageError `disk` where the folder is in use, cannot be used, or belongs to another node; `corrupt`
   */
  static async open(path: string, nodeId: string): Promise<LevelDisk> {
    await mkdir(path, { recursive: true, mode: 0o700 }).catch((cause: unknown) => {
      throw new StorageError('disk', 'the storage folder cannot be created', { cause });
    });
    const db: Level = new ClassicLevel<string, Uint8Array>(path, LEVEL_OPTIONS);
    await db.open().catch((error: unknown) => {
      throw openingFailed(error);
    });
    try {
      return await LevelDisk.#load(db, nodeId);
    } catch (error) {
      await db.close();
      throw error instanceof StorageError
        ? error
        : new StorageError('disk', 'the disk cannot be read', { cause: error });
    }
  }

  static async #load(db: Level, nodeId: string): Promise<LevelDisk> {
    const identityBytes = db.getSync(IDENTITY_KEY);
    const identity = identityBytes === undefined ? undefined : decodeIdentity(identityBytes);
    if (identity !== undefined && identity.nodeId !== nodeId) {
      throw new StorageError('disk', `the storage folder belongs to node ${identity.nodeId}, this is ${nodeId}`);
    }
    const metaBytes = db.getSync(META_KEY);
    const meta = metaBytes === undefined ? EMPTY_META : decodeMeta(metaBytes);
    const membersBytes = db.getSync(MEMBERS_KEY);
    const members = membersBytes === undefined ? NO_MEMBERS : decodeMembers(membersBytes);
    const log = new LogStore((key) => db.getSync(key), meta.cut, meta.cutTerm);
    for await (const value of db.values(CHUNK_KEYS)) log.load(value);
    if (meta.applied > log.lastIndex() || meta.applied < meta.cut) {
      throw new StorageError('corrupt', 'the log on disk does not reach to the applied index');
    }
    const disk = new LevelDisk(db, meta, members, identity, log);
    const { generation, root, restore } = meta;
    const reachable = restore === undefined ? [root] : [root, restore.attempt];
    for (const gap of allStatesBut(reachable.map((each) => statePrefix(generation, each)))) await disk.#clear(gap);
    return disk;
  }

  get identity(): DiskIdentity | undefined {
    return this.#identity;
  }

  /** Whether nothing of a cluster's state has arrived here yet (but perhaps a number was assigned). */
  get blank(): boolean {
    return this.#applied === 0 && this.log.count === 0;
  }

  get members(): Members {
    return this.#members;
  }

  /** The hard state as on disk; its commit covers what is applied, even where raft had not asked to store that yet. */
  get hardState(): HardState {
    const { term, vote, commit, applied } = this.#meta;
    return { term, vote, commit: Math.max(commit, applied) };
  }

  /** The last applied index, whether or not it is on disk yet. */
  get applied(): LogIndex {
    return this.#applied;
  }

  get appliedTerm(): Term {
    return this.#appliedTerm;
  }

  /** Whether something is applied that the next batch has yet to take along. */
  get behind(): boolean {
    return this.#applied !== this.#meta.applied;
  }

  get(key: string): Uint8Array | undefined {
    const laid = this.#overlay.get(key);
    if (laid !== undefined) return laid.value;
    return this.#db.getSync(this.#prefix + key);
  }

  async list(prefix: string, options: ListOptions): Promise<string[]> {
    if (!this.#overlay.visible) await this.#lay();
    return listNames(this.#db, this.#prefix, prefix, options);
  }

  async keys(range: KeyRange): Promise<string[]> {
    if (!this.#overlay.visible) await this.#lay();
    const prefix = this.#prefix;
    const bounds = { gte: prefix + range.from, lt: prefix + range.to, limit: range.limit ?? -1 };
    const keys = await this.#db.keys(bounds).all();
    return keys.map((key) => key.slice(prefix.length));
  }

  /** Makes a committed entry's effect visible to `get` at once; the next `commit` makes it durable. */
  apply(index: LogIndex, term: Term, ops: readonly WriteOp[]): void {
    assert(index === this.#applied + 1, 'entries are applied in order');
    assert(term >= this.#appliedTerm, 'terms never go back');
    for (const op of ops) {
      if (op.kind === 'put') {
        this.#overlay.put(op.key, op.value);
      } else {
        this.#overlay.delete(op.key);
        this.#deletes++;
      }
    }
    this.#applied = index;
    this.#appliedTerm = term;
  }

  /** As `apply`, for entries about members. */
  applyMembers(index: LogIndex, term: Term, members: Members): void {
    this.apply(index, term, []);
    this.#members = members;
    this.#membersChanged = true;
  }

  /** The restore that is under way, as of the applied index. */
  get restore(): OpenRestore | undefined {
    return this.#restore.open;
  }

  /** The entry that began the restore which the present state came with; 0 if it did not. */
  get root(): LogIndex {
    return this.#root;
  }

  /**
   * As `apply`, for a step of a restore.
   *
   * @returns whether the whole state is another one from now on
   */
  applyRestore(index: LogIndex, term: Term, step: RestoreStep): boolean {
    this.apply(index, term, []);
    switch (step.kind) {
      case 'begin': {
        const former = this.#restore.begin(index);
        if (former !== undefined) this.#giveUp(former);
        return false;
      }
      case 'stage':
        this.#restore.take(step);
        return false;
      case 'abandon':
        if (this.#restore.abandon(step.attempt)) this.#giveUp(step.attempt);
        return false;
      case 'switch': {
        const pending = this.#restore.complete(step);
        if (pending === undefined) return false;
        this.#giveUp(this.#root);
        this.#root = step.attempt;
        this.#prefix = statePrefix(this.#meta.generation, this.#root);
        this.#overlay.clear();
        for (const [key, value] of pending) this.#overlay.put(key, value);
        return true;
      }
      default:
        return assertNever(step, 'step of a restore');
    }
  }

  #giveUp(root: LogIndex): void {
    this.#garbage.push(statePrefix(this.#meta.generation, root));
  }

  /**
   * Makes a change durable, together with everything that was applied: one synced batch.
   *
   * @throws StorageError `disk`; whether it took effect is open, and the disk has to be opened anew
   */
  async commit(change: DiskChange): Promise<void> {
    await this.#exclusively(async () => {
      const batch = this.#db.batch();
      this.log.append(change.entries, batch);
      const laid = this.#overlay.take();
      for (const [key, item] of laid) {
        if (item.value === undefined) batch.del(this.#prefix + key);
        else batch.put(this.#prefix + key, item.value);
      }
      this.#addStaged(batch);
      if (this.#membersChanged) batch.put(MEMBERS_KEY, encodeMembers(this.#members));
      this.#membersChanged = false;
      const garbage = this.#garbage.splice(0);
      if (change.cutUpTo !== undefined) {
        assert(change.cutUpTo <= this.#applied, 'only applied entries are cut off');
        this.#cutBytes += this.log.cutFront(change.cutUpTo, batch);
      }
      this.#meta = {
        ...this.#meta,
        ...change.hardState,
        applied: this.#applied,
        appliedTerm: this.#appliedTerm,
        cut: this.log.cut,
        cutTerm: this.log.cutTerm,
        root: this.#root,
        restore: this.#restore.open,
      };
      batch.put(META_KEY, encodeMeta(this.#meta));
      await written(batch.write({ sync: true }));
      this.#overlay.taken();
      this.log.written();
      // Not before: after a crash the disk would begin with what is being cleared.
      if (garbage.length > 0) this.#collect(garbage);
    });
    this.#giveBackSpace();
  }

  #addStaged(batch: { put(key: string, value: Uint8Array): unknown }): void {
    const staged = this.#restore.flush();
    const { open } = this.#restore;
    if (open === undefined) return;
    const prefix = statePrefix(this.#meta.generation, open.attempt);
    for (const [key, value] of staged) batch.put(prefix + key, value);
  }

  /** Clears what is out of reach, beside everything else; what is left of it goes when the disk is opened again. */
  #collect(prefixes: readonly string[]): void {
    this.#collecting = this.#collecting
      .then(async () => {
        for (const prefix of prefixes) await this.#clear(below(prefix));
      })
      .catch(() => undefined);
  }

  /** Makes the disk that of a member of a cluster. A new cluster starts from a state with this node as the only voter. */
  async adopt(identity: DiskIdentity, members?: Members): Promise<void> {
    assert(this.blank, 'a disk with a state belongs to one cluster for ever');
    await this.#exclusively(async () => {
      const batch = this.#db.batch();
      batch.put(IDENTITY_KEY, encodeIdentity(identity));
      this.#meta = EMPTY_META;
      batch.put(META_KEY, encodeMeta(this.#meta));
      if (members !== undefined) {
        const first = { term: 1, commit: 1, applied: 1, appliedTerm: 1, cut: 1, cutTerm: 1 };
        this.#meta = { ...this.#meta, ...first };
        this.#members = members;
        this.#applied = 1;
        this.#appliedTerm = 1;
        this.log.replace(1, 1, batch);
        batch.put(META_KEY, encodeMeta(this.#meta));
        batch.put(MEMBERS_KEY, encodeMembers(members));
      }
      await written(batch.write({ sync: true }));
      this.#identity = identity;
    });
  }

  /** A consistent view of what is on disk, for streaming; the caller closes it. */
  view(): StateView {
    return new StateView(this.#db);
  }

  /** Begins to take in another state beside the present one; the former attempt's leftovers go first. */
  async beginStaging(): Promise<void> {
    await this.#clearOtherGeneration();
  }

  /**
   * Takes in records of the state to come. They count only after `install`.
   *
   * @param root 0, or the attempt of the restore that they belong to
   */
  async stage(records: readonly StateRecord[], root: LogIndex = 0): Promise<void> {
    const prefix = statePrefix(1 - this.#meta.generation, root);
    await this.#exclusively(async () => {
      const batch = this.#db.batch();
      for (const [key, value] of records) batch.put(prefix + key, value);
      // Synced: the switch-over must not be durable before what it switches to (LevelDB changes files between batches).
      await written(batch.write({ sync: true }));
    });
  }

  /** Switches over to what was staged: at once, durably, and together with the log's new start. */
  async install(
    snapshot: SnapshotMeta,
    members: Members,
    hardState: HardState | undefined,
    restore?: OpenRestore,
  ): Promise<void> {
    await this.#exclusively(async () => {
      const batch = this.#db.batch();
      const { index, term } = snapshot;
      this.#cutBytes += this.log.bytes;
      this.log.replace(index, term, batch);
      this.#applied = index;
      this.#appliedTerm = term;
      this.#members = members;
      this.#membersChanged = false;
      this.#meta = {
        ...this.#meta,
        ...hardState,
        commit: Math.max(index, this.#meta.commit, hardState?.commit ?? 0),
        applied: index,
        appliedTerm: term,
        cut: this.log.cut,
        cutTerm: this.log.cutTerm,
        generation: 1 - this.#meta.generation,
        root: 0,
        restore,
      };
      batch.put(META_KEY, encodeMeta(this.#meta));
      batch.put(MEMBERS_KEY, encodeMembers(members));
      await written(batch.write({ sync: true }));
      this.#overlay.clear();
      this.#root = 0;
      this.#restore.replace(restore);
      this.#garbage = [];
      this.#prefix = statePrefix(this.#meta.generation, 0);
    });
    await this.#clearOtherGeneration();
  }

  /** @throws StorageError `disk` */
  async close(): Promise<void> {
    await this.#tail;
    await this.#collecting;
    await this.#compacting;
    await written(this.#db.close());
  }

  /** Writes what was applied where iterators see it, unsynced; it stays in the overlay and goes with the next batch. */
  async #lay(): Promise<void> {
    await this.#exclusively(async () => {
      if (this.#overlay.visible) return;
      const batch = this.#db.batch();
      for (const [key, item] of this.#overlay.peek()) {
        if (item.value === undefined) batch.del(this.#prefix + key);
        else batch.put(this.#prefix + key, item.value);
      }
      const mark = this.#overlay.mark();
      await written(batch.write());
      this.#overlay.laid(mark);
    });
  }

  async #clearOtherGeneration(): Promise<void> {
    await this.#exclusively(() => this.#clear(generationKeys(1 - this.#meta.generation)));
  }

  async #clear(interval: KeyInterval): Promise<void> {
    const [leftover] = await this.#db.keys({ ...interval, limit: 1 }).all();
    if (leftover === undefined) return;
    await written(this.#db.clear(interval));
    this.#compact(interval.gte, interval.lt);
  }

  #giveBackSpace(): void {
    if (this.#compacting !== undefined) return;
    if (this.#cutBytes >= COMPACT_AFTER_BYTES) {
      this.#cutBytes = 0;
      this.#compact(CHUNK_KEYS.gte, CHUNK_KEYS.lt);
    } else if (this.#deletes >= COMPACT_AFTER_DELETES) {
      this.#deletes = 0;
      this.#compact(this.#prefix, `${this.#prefix.slice(0, -1)}0`);
    }
  }

  #compact(from: string, to: string): void {
    const done = (): void => {
      this.#compacting = undefined;
    };
    // Space that is not given back now is given back next time; a broken disk shows itself at the next write.
    this.#compacting = Promise.resolve(this.#compacting)
      .then(() => this.#db.compactRange(from, to))
      .then(done, done);
  }

  async #exclusively(run: () => Promise<void>): Promise<void> {
    while (this.#busy) await this.#tail;
    this.#busy = true;
    const running = run().finally(() => {
      this.#busy = false;
    });
    this.#tail = running.catch(() => undefined);
    await running;
  }
}

async function written(writing: Promise<void>): Promise<void> {
  try {
    await writing;
  } catch (cause) {
    throw new StorageError('disk', 'the disk could not be written', { cause });
  }
}

function openingFailed(error: unknown): StorageError {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  const code = (cause as { code?: unknown }).code;
  if (code === 'LEVEL_LOCKED') return new StorageError('disk', 'the storage folder is in use by another process');
  if (code === 'LEVEL_CORRUPTION') return new StorageError('corrupt', 'the database is damaged', { cause: error });
  return new StorageError('disk', 'the storage folder cannot be opened', { cause: error });
}
