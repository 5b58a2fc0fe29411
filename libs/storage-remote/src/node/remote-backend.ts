import type { CancelTimer, Clock, Log, MaybePromise, Random } from '@coffer/kernel';
import { StorageError, refuseKeys } from '@coffer/storage';
import type {
  AppliedListener,
  Backend,
  Epoch,
  KeyRange,
  ListOptions,
  NodeAddress,
  Reader,
  WriteBatch,
  WriteOp,
  WriteResult,
} from '@coffer/storage';
import { Unreachable } from '../remote-store.ts';
import type { Dated, LockStore, RemoteStore } from '../remote-store.ts';
import { AppliedFeed } from './applied-feed.ts';
import { GroupWriter } from './group-writer.ts';
import { LockElection } from './lock-election.ts';
import { Turnstile } from './turnstile.ts';

/** What is done before this node leads; nothing where it is left out. */
export interface BeforeLeading {
  /** @throws StorageError where this node must not lead */
  admit(store: Reader): Promise<void>;
  /** What to write before anything else. */
  firstWrite(store: Reader): Promise<readonly WriteOp[]>;
}

export interface RemoteBackendParts {
  readonly store: RemoteStore;
  /** Undefined where this node is the only one (no `ha_enabled`). */
  readonly lock: LockStore | undefined;
  readonly self: NodeAddress;
  readonly beforeLeading?: BeforeLeading;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** The store is asked for news so often even if nobody wants to know, in milliseconds. */
const POLL_MS = 1000;
/** So long a read waits for a store that does not answer. */
const READ_MS_MAX = 5000;
const ASK_AGAIN_MS = 100;

/**
 * A node on a database that others share: it keeps nothing itself. Values are read from the database; what this node
 * has not heard of by the feed is held back, so that caches above are told of a change before anybody sees it.
 */
export class RemoteBackend implements Backend {
  readonly kind: string;
  readonly ha: LockElection;
  readonly #parts: RemoteBackendParts;
  readonly #feed: AppliedFeed;
  readonly #writer: GroupWriter;
  readonly #pulls: Turnstile;
  /** The epoch that this node writes under. */
  #reign: Epoch | undefined;
  #cancel: CancelTimer | undefined;
  #closed = false;

  constructor(parts: RemoteBackendParts) {
    const { store, clock, log, lock } = parts;
    this.#parts = parts;
    this.kind = store.kind;
    this.#feed = new AppliedFeed(clock, log);
    this.ha = new LockElection({
      ...parts,
      storeEpoch: async () => (await store.head()).epoch,
      admit: async () => parts.beforeLeading?.admit(this),
      takeOver: (epoch) => this.#takeOver(epoch),
      begin: async (epoch) => {
        this.#reign = epoch;
        this.#writer.begin(epoch);
        const ops = (await parts.beforeLeading?.firstWrite(this)) ?? [];
        if (ops.length > 0) await this.#writer.write({ ops, epoch });
      },
      end: async () => {
        this.#reign = undefined;
        this.#writer.end();
        await this.#writer.settled();
      },
    });
    this.#writer = new GroupWriter({ ...parts, feed: this.#feed, lost: (epoch, why) => this.ha.lost(epoch, why) });
    this.#pulls = new Turnstile(() => this.#pull());
    store.onHint(() => this.#look());
    if (lock && lock.kind !== store.kind) log.info('the active node is elected in another store', { kind: lock.kind });
  }

  /** Connects. @throws StorageError, Unreachable */
  async open(): Promise<void> {
    const { store, lock, clock } = this.#parts;
    await store.open();
    await lock?.open();
    this.#feed.begin((await store.head()).index);
    this.#cancel = clock.every(POLL_MS, () => this.#look());
  }

  // ---- reading

  get(key: string): Promise<Uint8Array | undefined> {
    return this.#read(() => this.#parts.store.get(key));
  }

  list(prefix: string, options: ListOptions = {}): Promise<string[]> {
    if (options.limit !== undefined && options.limit <= 0) return Promise.resolve([]);
    return this.#read(() => this.#parts.store.list(prefix, options));
  }

  keys(range: KeyRange): Promise<string[]> {
    if (range.limit !== undefined && range.limit <= 0) return Promise.resolve([]);
    return this.#read(() => this.#parts.store.keys(range));
  }

  /** Reads until the store answers, and waits until this node knows of what was read. */
  async #read<T>(ask: () => Promise<Dated<T>>): Promise<T> {
    const { value, index } = await this.#patiently(ask);
    if (index > this.#feed.index) {
      // What this node wrote itself, its writer is about to tell.
      if (this.#reign === undefined) this.#look();
      await this.#feed.until(index, READ_MS_MAX);
    }
    return value;
  }

  async #patiently<T>(ask: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const { clock } = this.#parts;
    const untilMs = clock.monotonicMs() + READ_MS_MAX;
    for (;;) {
      this.#refuseClosed();
      try {
        return await ask();
      } catch (error) {
        if (!(error instanceof Unreachable)) throw error;
        if (signal?.aborted) throw new StorageError('deadline', 'the request ended before the storage answered');
        if (clock.monotonicMs() >= untilMs)
          throw new StorageError('no-leader', 'the storage cannot be reached', { cause: error });
        await new Promise<void>((resolve) => void clock.after(ASK_AGAIN_MS, resolve));
      }
    }
  }

  /**
   * While the lease of the active node holds, nobody else can have written, and its own state is the newest as soon as it
   * knows of its own group under way: standbys may have seen that before the answer has come here. Elsewhere the store is
   * asked for news, once for all reads that wait.
   */
  readBarrier(signal?: AbortSignal): MaybePromise<void> {
    this.#refuseClosed();
    if (!this.ha.leaseHolds()) return this.#askForNews(signal);
    const underWay = this.#writer.underWay();
    return underWay && this.#afterOwn(underWay, signal);
  }

  #askForNews(signal: AbortSignal | undefined): Promise<void> {
    return this.#patiently(() => this.#pulls.pass(), signal);
  }

  /** What was visible to anybody when the barrier was asked for is at most this group. */
  async #afterOwn(underWay: Promise<boolean>, signal: AbortSignal | undefined): Promise<void> {
    const late = Promise.withResolvers<boolean>();
    const cancel = this.#parts.clock.after(READ_MS_MAX, () => late.resolve(false));
    const written = await Promise.race([underWay, late.promise]);
    cancel();
    if (!written) await this.#askForNews(signal);
  }

  subscribe(listener: AppliedListener): () => void {
    return this.#feed.subscribe(listener);
  }

  appliedIndex(): number {
    return this.#feed.index;
  }

  // ---- following

  /** Everything new, up to where the store stands now. */
  async #pull(): Promise<void> {
    for (;;) {
      const reign = this.#reign;
      const since = this.#feed.index;
      const news = await this.#parts.store.feed(since);
      if (reign !== undefined && reign === this.#reign && news.head.epoch !== reign) {
        this.ha.lost(reign, 'another node has claimed the storage');
      }
      this.#feed.follow(since, news);
      if (this.#feed.index >= news.head.index) return;
    }
  }

  #look(): void {
    if (this.#closed) return;
    this.#pulls.pass().catch((error: unknown) => {
      if (!this.#closed) this.#parts.log.debug('the storage told no news', { error });
    });
  }

  async #takeOver(epoch: Epoch): Promise<boolean> {
    const head = await this.#patiently(() => this.#parts.store.claim(epoch));
    if (head.epoch !== epoch) return false;
    await this.#patiently(() => this.#pulls.pass());
    return this.#feed.index === head.index;
  }

  // ---- writing

  write(batch: WriteBatch): Promise<WriteResult> {
    if (this.#closed) return Promise.reject(closedError());
    const state = this.ha.state();
    if (state.role !== 'active')
      return Promise.reject(new StorageError('not-active', 'this node is not the active one'));
    const refusal = refuseKeys(batch.ops);
    return refusal ? Promise.reject(refusal) : this.#writer.write(batch);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    await this.ha.stop();
    this.#closed = true;
    this.#cancel?.();
    this.#feed.close();
    await this.#parts.lock?.close();
    await this.#parts.store.close();
  }

  #refuseClosed(): void {
    if (this.#closed) throw closedError();
  }
}

const closedError = (): StorageError => new StorageError('closed', 'the store is closed');
