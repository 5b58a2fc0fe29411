import { assert, assertNever } from '@coffer/kernel';
import { type StorageError, type KeyRange, type ListOptions, type WriteOp } from '@coffer/storage';
import type { HardState, LogIndex, SnapshotMeta, Term } from 'raft-ts';
import type { DiskChange, Durable } from './disk-change.ts';
import { dropMemberChanges } from './drop-member-changes.ts';
import { IDENTITY_KEY, MEMBERS_KEY, META_KEY } from './disk-keys.ts';
import { encodeIdentity, type DiskIdentity } from './identity.ts';
import { loadDisk, type Found } from './load-disk.ts';
import type { LogStore } from './log-store.ts';
import { encodeMembers, type Members } from './members.ts';
import { EMPTY_META, encodeMeta, type DiskMeta } from './meta.codec.ts';
import { OneWrite } from './one-write.ts';
import { levelError, openLevel, written, type Level } from './open-level.ts';
import { PresentState } from './present-state.ts';
import { RangeClearing } from './range-clearing.ts';
import { RestoreStaging } from './restore-staging.ts';
import type { OpenRestore, RestoreStep, StateRecord } from './restore.codec.ts';
import { SpaceKeeper } from './space-keeper.ts';
import { below, generationKeys, statePrefix, statesIn } from './state-roots.ts';
import { StateView } from './state-view.ts';

/**
 * The disk of a node: one LevelDB with log, vote, members and state. What was applied lies in memory (`PresentState`) until
 * the next batch takes it along, so that applying costs no write of its own; a batch is always synced, and its record of
 * the applied index always matches the state in it. Not for use from two places at once, but for reads.
 */
export class LevelDisk {
  readonly log: LogStore;
  /** Tables that were there when it was opened. */
  readonly oldTables: readonly string[];
  readonly #db: Level;
  readonly #space: SpaceKeeper;
  readonly #clearing: RangeClearing;
  readonly #oneWrite = new OneWrite();
  readonly #state: PresentState;
  readonly #restore: RestoreStaging;
  #identity: DiskIdentity | undefined;
  #meta: DiskMeta;
  #durable: Durable;
  #members: Members;
  #membersChanged = false;
  #root: LogIndex;
  /** States that are out of reach once the next batch is written. */
  #garbage: string[] = [];
  #applied: LogIndex;
  #appliedTerm: Term;
  #onFault: (error: StorageError) => void = () => undefined;

  private constructor(db: Level, oldTables: readonly string[], found: Found) {
    const { meta, members, identity, log } = found;
    this.#db = db;
    this.#space = new SpaceKeeper(db);
    this.#clearing = new RangeClearing({
      db,
      space: this.#space,
      exclusively: (run) => this.#oneWrite.run(run),
      failed: (error) => this.#onFault(levelError('old data could not be deleted', error)),
    });
    this.#meta = meta;
    this.#durable = meta;
    this.#members = members;
    this.#identity = identity;
    this.#restore = new RestoreStaging(meta.restore);
    this.#root = meta.root;
    this.#state = new PresentState({
      db,
      space: this.#space,
      oneWrite: this.#oneWrite,
      fault: (error) => this.#onFault(error),
      prefix: statePrefix(meta.generation, meta.root),
    });
    this.#applied = meta.applied;
    this.#appliedTerm = meta.appliedTerm;
    this.log = log;
    this.oldTables = oldTables;
  }

  /**
   * Opens the folder.
   *
   * @param create whether it may be a new one: a node that had a state does not begin anew because its volume is gone
   * @throws StorageError `disk` where the folder is in use, cannot be used, or belongs to another node; `corrupt`
   */
  static async open(path: string, nodeId: string, create = true): Promise<LevelDisk> {
    const { db, tables } = await openLevel(path, create);
    try {
      const found = await loadDisk(db, nodeId);
      const disk = new LevelDisk(db, tables, found);
      const { generation, root, restore } = found.meta;
      const reachable = restore === undefined ? [root] : [root, restore.attempt];
      const kept = reachable.map((each) => statePrefix(generation, each));
      // By name, as of now: what is replayed or restored from here on makes states that nothing may clear.
      const all = await statesIn(async (within) => (await db.keys({ ...within, limit: 1 }).all())[0]);
      disk.#clearing.begin(all.filter((prefix) => !kept.includes(prefix)).map(below));
      return disk;
    } catch (error) {
      await db.close();
      throw levelError('the disk cannot be read', error);
    }
  }

  /** Tells what goes wrong outside of `commit`: reads that fail, space that cannot be cleared. One listener. */
  onFault(listener: (error: StorageError) => void): void {
    this.#onFault = listener;
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

  /** What was synced for certain: it must be there whenever this disk is opened again. */
  get durable(): Durable {
    return this.#durable;
  }

  /** Whether something is applied that the next batch has yet to take along. */
  get behind(): boolean {
    return this.#applied !== this.#meta.applied;
  }

  get(key: string): Uint8Array | undefined {
    return this.#state.get(key);
  }

  list(prefix: string, options: ListOptions): Promise<string[]> {
    return this.#state.list(prefix, options);
  }

  keys(range: KeyRange): Promise<string[]> {
    return this.#state.keys(range);
  }

  /** Makes a committed entry's effect visible to `get` at once; the next `commit` makes it durable. */
  apply(index: LogIndex, term: Term, ops: readonly WriteOp[]): void {
    assert(index === this.#applied + 1, 'entries are applied in order');
    assert(term >= this.#appliedTerm, 'terms never go back');
    this.#state.apply(ops);
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
        this.#state.replace(statePrefix(this.#meta.generation, this.#root), pending);
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
    await this.#oneWrite.run(async () => {
      const batch = this.#db.batch();
      this.log.append(change.entries, batch);
      this.#state.handOver(batch);
      this.#restore.handOver(this.#meta.generation, batch);
      if (this.#membersChanged) batch.put(MEMBERS_KEY, encodeMembers(this.#members));
      this.#membersChanged = false;
      const garbage = this.#garbage.splice(0);
      if (change.cutUpTo !== undefined) {
        assert(change.cutUpTo <= this.#applied, 'only applied entries are cut off');
        this.#space.cut(this.log.cutFront(change.cutUpTo, batch));
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
      this.#durable = this.#meta;
      this.#state.written();
      this.log.written();
      // Not before: after a crash the disk would begin with what is being cleared.
      if (garbage.length > 0) this.#clearing.begin(garbage.map(below));
    });
  }

  /** To be called often, by the monotonic clock: gives space back in the background. */
  tend(nowMs: number): void {
    this.#space.tend(nowMs, this.#state.prefix, this.log.firstIndex());
  }

  /** How many bytes the state takes on disk, about; what is in LevelDB's memory alone is not counted. */
  stateBytes(): Promise<number> {
    const { gte, lt } = below(this.#state.prefix);
    return this.#db.approximateSize(gte, lt);
  }

  /** Makes the disk that of a member of a cluster. A new cluster starts from a state with this node as the only voter. */
  async adopt(identity: DiskIdentity, members?: Members): Promise<void> {
    assert(this.blank, 'a disk with a state belongs to one cluster for ever');
    await this.#oneWrite.run(async () => {
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

  /** Remembers that the cluster has removed this node, also over restarts. */
  async markRemoved(): Promise<void> {
    const identity = this.#identity;
    assert(identity !== undefined, 'only a member can be removed');
    await this.#oneWrite.run(async () => {
      const removed = { ...identity, removed: true };
      await written(this.#db.put(IDENTITY_KEY, encodeIdentity(removed), { sync: true }));
      this.#identity = removed;
    });
  }

  /**
   * Replaces the members by others without the cluster's consent, after the loss of its majority: what is applied is
   * first made durable. Entries that are not applied yet stay, but those that change members lose their effect.
   */
  async recover(members: Members): Promise<void> {
    await this.#oneWrite.run(async () => {
      const batch = this.#db.batch();
      dropMemberChanges(this.log, this.#applied + 1, batch);
      this.#members = members;
      this.#membersChanged = false;
      batch.put(MEMBERS_KEY, encodeMembers(members));
      await written(batch.write({ sync: true }));
      this.log.written();
    });
  }

  /** A consistent view of what is on disk, for streaming; the caller closes it. */
  view(): StateView {
    return new StateView(this.#db);
  }

  /** Begins to take in another state beside the present one; the former attempt's leftovers go first. */
  async beginStaging(): Promise<void> {
    this.#clearing.begin([generationKeys(1 - this.#meta.generation)]);
    await this.#clearing.done();
  }

  /**
   * Takes in records of the state to come. They count only after `install`.
   *
   * @param root 0, or the attempt of the restore that they belong to
   */
  async stage(records: readonly StateRecord[], root: LogIndex = 0): Promise<void> {
    const prefix = statePrefix(1 - this.#meta.generation, root);
    await this.#oneWrite.run(async () => {
      const batch = this.#db.batch();
      for (const [key, value] of records) batch.put(prefix + key, value);
      // Synced: the switch-over must not be durable before what it switches to (LevelDB changes files between batches).
      await written(batch.write({ sync: true }));
    });
  }

  /**
   * Switches over to what was staged: at once, durably, and together with the log's new start.
   *
   * @param switched called in the very turn in which reads see the new state
   */
  async install(
    snapshot: SnapshotMeta,
    members: Members,
    hardState: HardState | undefined,
    switched: () => void,
    restore?: OpenRestore,
  ): Promise<void> {
    await this.#oneWrite.run(async () => {
      const batch = this.#db.batch();
      const { index, term } = snapshot;
      this.#space.cut(this.log.bytes);
      this.log.replace(index, term, batch);
      const meta: DiskMeta = {
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
      batch.put(META_KEY, encodeMeta(meta));
      batch.put(MEMBERS_KEY, encodeMembers(members));
      await written(batch.write({ sync: true }));
      this.#meta = meta;
      this.#durable = meta;
      this.#applied = index;
      this.#appliedTerm = term;
      this.#members = members;
      this.#membersChanged = false;
      this.#root = 0;
      this.#restore.replace(restore);
      this.#garbage = [];
      this.#state.replace(statePrefix(meta.generation, 0));
      switched();
    });
    this.#clearing.begin([generationKeys(1 - this.#meta.generation)]);
  }

  /** @throws StorageError `disk` */
  async close(): Promise<void> {
    await this.#clearing.stop();
    await this.#oneWrite.ended();
    await this.#space.stop();
    await written(this.#db.close());
  }
}
