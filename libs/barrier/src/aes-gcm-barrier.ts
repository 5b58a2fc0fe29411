import { hkdfSync } from 'node:crypto';
import { BoundedCache, Secret, Turns, isPromise, whenReady, wipe } from '@coffer/kernel';
import type { Clock, Log, MaybePromise, Random } from '@coffer/kernel';
import { StorageError } from '@coffer/storage';
import type {
  AppliedBatch,
  AppliedListener,
  Backend,
  HaCoordinator,
  KeyRange,
  ListOptions,
  WriteBatch,
  WriteOp,
  WriteResult,
} from '@coffer/storage';
import { DERIVATION_KEY, KEYRING_KEY, KEY_USAGE_KEY, ROOT_KEY_COPY_KEY, isBarrierKey } from './barrier-keys.ts';
import { BarrierError } from './barrier.ts';
import type { Barrier, KeyStatus } from './barrier.ts';
import { KeyUsage } from './key-usage.ts';
import { KEY_BYTES, Keyring } from './keyring.ts';
import { decrypt, keyringOp, openKeyring, sealedOp, wipeAll } from './open-keys.ts';
import type { OpenKeys } from './open-keys.ts';
import { OwnWrites } from './own-writes.ts';

/** Encryptions under one key after which it is rotated; random nonces collide with probability 2^-32 at 2^32 (SP 800-38D, 8.3). */
export const ENCRYPTIONS_MAX = 2 ** 31;

export interface BarrierDeps {
  readonly backend: Backend;
  readonly ha: Pick<HaCoordinator, 'state'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Bytes of decrypted values that are kept. */
  readonly cacheBytesMax: number;
  /** Encryptions under one key after which it is rotated; `ENCRYPTIONS_MAX` if left out. */
  readonly encryptionsMax?: number;
}

interface Entry {
  readonly plaintext: Uint8Array;
  parsed?: unknown;
}

const ABSENT: Entry = { plaintext: new Uint8Array(0) };
/** What a cached entry costs beside its bytes. */
const ENTRY_OVERHEAD_BYTES = 160;

/** Encrypts all that goes down and decrypts all that comes up; see `Barrier`. */
export class AesGcmBarrier implements Barrier {
  readonly kind: string;
  readonly #deps: BarrierDeps;
  readonly #cache: BoundedCache<string, Entry>;
  readonly #listeners = new Set<AppliedListener>();
  readonly #own = new OwnWrites();
  readonly #watched = new Map<string, (value: Uint8Array) => void>();
  readonly #unsubscribe: () => void;
  #opened: OpenKeys | undefined;
  /** The keyring was changed by another node and is being read: what is decrypted meanwhile waits. */
  #reloading: Promise<void> | undefined;
  /** Changes with every applied batch: a read that began before must not fill the cache. */
  #generation = 0;
  /** Changes with everything that is stored about keys. */
  #keysGeneration = 0;
  /** Changes of the keyring are made one after the other: two at once could give one term two keys. */
  readonly #turns = new Turns();
  #rotating = false;

  constructor(deps: BarrierDeps) {
    this.#deps = deps;
    this.kind = deps.backend.kind;
    this.#cache = new BoundedCache(
      deps.cacheBytesMax,
      (entry, key) => entry.plaintext.length * (entry.parsed === undefined ? 1 : 3) + key.length + ENTRY_OVERHEAD_BYTES,
    );
    this.#unsubscribe = deps.backend.subscribe((batch) => this.#applied(batch));
  }

  get sealed(): boolean {
    return this.#opened === undefined;
  }

  // ---- keys

  async initialize(rootKey: Secret<Uint8Array>): Promise<void> {
    if ((await this.#deps.backend.get(KEYRING_KEY)) !== undefined)
      throw new BarrierError('initialized', 'Vault is already initialized');
    await this.#write(this.initialOps(rootKey, new Map()));
  }

  /**
   * What `initialize` writes, for who writes more in the same batch.
   *
   * @param copies more that the new keyring encrypts, by storage key
   */
  initialOps(rootKey: Secret<Uint8Array>, copies: ReadonlyMap<string, Uint8Array>): WriteOp[] {
    const { clock, random } = this.#deps;
    const keyring = new Keyring([{ term: 1, key: random.bytes(KEY_BYTES), installedMs: clock.nowMs() }]);
    const derivation = random.bytes(KEY_BYTES);
    const ops = [
      keyringOp(keyring, rootKey.reveal(), this.#deps.random),
      this.#sealedOp(keyring, ROOT_KEY_COPY_KEY, rootKey.reveal()),
      this.#sealedOp(keyring, DERIVATION_KEY, derivation),
      ...[...copies].map(([key, value]) => this.#sealedOp(keyring, key, value)),
    ];
    keyring.wipe();
    wipe(derivation);
    return ops;
  }

  async unseal(rootKey: Secret<Uint8Array>): Promise<void> {
    const { backend } = this.#deps;
    for (;;) {
      const generation = this.#keysGeneration;
      const keyring = await backend.get(KEYRING_KEY);
      const derivationKey = await backend.get(DERIVATION_KEY);
      const usage = await backend.get(KEY_USAGE_KEY);
      // What was read while keys changed may not belong together.
      if (generation !== this.#keysGeneration) continue;
      const opened = this.#openWith(rootKey.reveal(), keyring, derivationKey, usage);
      this.seal();
      this.#opened = opened;
      return;
    }
  }

  #openWith(
    rootKey: Uint8Array,
    stored: Uint8Array | undefined,
    derivation: Uint8Array | undefined,
    noted: Uint8Array | undefined,
  ): OpenKeys {
    if (!stored) throw new BarrierError('not-initialized', 'the store holds no keyring');
    const keyring = openKeyring(rootKey, stored);
    try {
      if (!derivation) throw new BarrierError('corrupt', 'the store holds no derivation key');
      const derivationKey = decrypt(keyring, DERIVATION_KEY, derivation);
      const usage = new KeyUsage(keyring.newest.term);
      if (noted) usage.learn(decrypt(keyring, KEY_USAGE_KEY, noted));
      return { rootKey: new Uint8Array(rootKey), keyring, derivationKey, usage };
    } catch (error) {
      keyring.wipe();
      throw error;
    }
  }

  seal(): void {
    if (this.#opened) wipeAll(this.#opened);
    this.#opened = undefined;
    this.#cache.clear();
    this.#generation++;
  }

  rotate(): Promise<KeyStatus> {
    return this.#turns.take(async () => {
      const { clock, random } = this.#deps;
      const { keyring, rootKey } = this.#open();
      const term = keyring.newest.term + 1;
      const next = keyring.with({ term, key: random.bytes(KEY_BYTES), installedMs: clock.nowMs() });
      await this.#write([keyringOp(next, rootKey, random)]);
      // It came back by the feed already where reading is synchronous.
      if (this.#open().keyring.newest.term < term) this.#useKeyring(next);
      else wipe(next.newest.key);
      return this.keyStatus();
    });
  }

  keyStatus(): KeyStatus {
    const { keyring, usage } = this.#open();
    const { term, installedMs } = keyring.newest;
    return { term, installTimeMs: installedMs, encryptions: usage.used };
  }

  changeRootKey(rootKey: Secret<Uint8Array>): Promise<void> {
    return this.changeRootKeyWith(rootKey, [], new Map());
  }

  /**
   * Changes the root key in one batch with other changes, such as those of who guards it.
   *
   * @param ops written as they are
   * @param copies written as the keyring encrypts them, by storage key
   */
  changeRootKeyWith(
    rootKey: Secret<Uint8Array>,
    ops: readonly WriteOp[],
    copies: ReadonlyMap<string, Uint8Array>,
  ): Promise<void> {
    return this.#turns.take(async () => {
      const { keyring, usage } = this.#open();
      const next = new Uint8Array(rootKey.reveal());
      usage.add(copies.size + 1);
      await this.#write([
        ...ops,
        ...[...copies].map(([key, value]) => this.#sealedOp(keyring, key, value)),
        this.#sealedOp(keyring, ROOT_KEY_COPY_KEY, next),
        keyringOp(keyring, next, this.#deps.random),
      ]);
      const opened = this.#open();
      wipe(opened.rootKey);
      this.#opened = { ...opened, rootKey: next };
    });
  }

  derive(purpose: string, length: number): Secret<Uint8Array> {
    const { derivationKey } = this.#open();
    return new Secret(
      new Uint8Array(hkdfSync('sha256', derivationKey, new Uint8Array(0), `coffer/${purpose}`, length)),
    );
  }

  // ---- reading

  get(key: string): MaybePromise<Uint8Array | undefined> {
    const cached = this.#cache.get(key);
    if (cached) return cached === ABSENT ? undefined : cached.plaintext;
    return whenReady(this.#entry(key), (entry) => (entry === ABSENT ? undefined : entry.plaintext));
  }

  getParsed<T>(key: string, parse: (bytes: Uint8Array) => T): MaybePromise<T | undefined> {
    const cached = this.#cache.get(key);
    // One key is parsed by one function only: that of the collection it belongs to.
    if (cached?.parsed !== undefined) return cached.parsed as T;
    return whenReady(cached ?? this.#entry(key), (entry): T | undefined => {
      if (entry === ABSENT) return undefined;
      if (entry.parsed === undefined) {
        entry.parsed = parse(entry.plaintext);
        // It has grown, which the cache must know.
        if (this.#cache.get(key) === entry) this.#cache.set(key, entry);
      }
      return entry.parsed as T;
    });
  }

  #entry(key: string): MaybePromise<Entry> {
    this.#open();
    const generation = this.#generation;
    return whenReady(this.#deps.backend.get(key), (envelope) => this.#decrypted(key, envelope, generation));
  }

  #decrypted(key: string, envelope: Uint8Array | undefined, generation: number): MaybePromise<Entry> {
    const { keyring } = this.#open();
    if (this.#reloading) return this.#reloading.then(() => this.#decrypted(key, envelope, generation));
    const entry = envelope === undefined ? ABSENT : { plaintext: decrypt(keyring, key, envelope) };
    if (generation === this.#generation) this.#cache.set(key, entry);
    return entry;
  }

  list(prefix: string, options?: ListOptions): MaybePromise<string[]> {
    this.#open();
    return this.#deps.backend.list(prefix, options);
  }

  keys(range: KeyRange): MaybePromise<string[]> {
    this.#open();
    return this.#deps.backend.keys(range);
  }

  readBarrier(signal?: AbortSignal): MaybePromise<void> {
    return this.#deps.backend.readBarrier(signal);
  }

  appliedIndex(): number {
    return this.#deps.backend.appliedIndex();
  }

  subscribe(listener: AppliedListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Tells a value of the barrier's own whenever it was written, here or by another node, and this node is unsealed. One
   * listener a key, which owns what it is told. A value that cannot be read seals the node.
   */
  watch(key: string, told: (value: Uint8Array) => void): void {
    this.#watched.set(key, told);
  }

  // ---- writing

  write(batch: WriteBatch): Promise<WriteResult> {
    const { backend, encryptionsMax = ENCRYPTIONS_MAX } = this.#deps;
    let opened: OpenKeys;
    let ops: WriteOp[];
    try {
      opened = this.#open();
      const { keyring } = opened;
      ops = batch.ops.map((op) => {
        if (isBarrierKey(op.key)) throw new StorageError('conflict', 'this key belongs to the barrier');
        return op.kind === 'delete' ? op : this.#sealedOp(keyring, op.key, op.value);
      });
    } catch (error) {
      return Promise.reject(error as Error);
    }
    const { usage, keyring } = opened;
    for (const { kind } of ops) if (kind === 'put') usage.add(1);
    const note = usage.note();
    if (note) ops.push(this.#sealedOp(keyring, KEY_USAGE_KEY, note));
    this.#own.begin(batch.ops);
    const written = backend.write({ ops, epoch: batch.epoch });
    if (usage.used >= encryptionsMax) this.#rotateBecauseUsed();
    return written.then(
      (result) => {
        this.#keep(this.#own.end(batch.ops, result.index));
        return result;
      },
      (error: unknown) => {
        this.#own.end(batch.ops, undefined);
        if (note) usage.noteLost();
        throw error;
      },
    );
  }

  /** What was just written is likely to be read. */
  #keep(ops: readonly WriteOp[]): void {
    if (this.sealed) return;
    // From the last to the first, since the last one of a key counts; what is there was read already, perhaps parsed.
    for (const op of ops.toReversed()) {
      if (this.#cache.get(op.key)) continue;
      this.#cache.set(op.key, op.kind === 'put' ? { plaintext: new Uint8Array(op.value) } : ABSENT);
    }
  }

  close(): Promise<void> {
    this.#unsubscribe();
    this.seal();
    return this.#deps.backend.close();
  }

  /** On its own: the write that happened to be the last one allowed has nothing to do with it. */
  #rotateBecauseUsed(): void {
    if (this.#rotating) return;
    this.#rotating = true;
    this.rotate()
      .then(
        ({ term }) => this.#deps.log.info('the barrier key was used often enough and was rotated', { term }),
        // The next write tries again: its count is still too high.
        (error: unknown) => this.#deps.log.error('the barrier key is due for rotation, which failed', { error }),
      )
      .finally(() => {
        this.#rotating = false;
      });
  }

  // ---- following

  #applied(batch: AppliedBatch): void {
    this.#generation++;
    this.#own.applied(batch);
    if (batch.everything) this.#cache.clear();
    else for (const key of batch.keys) this.#cache.delete(key);
    const isNewKeyring = batch.everything === true || batch.keys.includes(KEYRING_KEY);
    const isNewUsage = batch.everything === true || batch.keys.includes(KEY_USAGE_KEY);
    if (isNewKeyring || isNewUsage) this.#keysGeneration++;
    if (this.#opened) {
      if (isNewKeyring || isNewUsage) this.#waitFor(this.#guarded(() => this.#followKeys(isNewKeyring, isNewUsage)));
      for (const [key, told] of this.#watched) {
        if (batch.everything || batch.keys.includes(key)) this.#guarded(() => this.#tell(key, told));
      }
    }
    for (const listener of this.#listeners) listener(batch);
  }

  #followKeys(isNewKeyring: boolean, isNewUsage: boolean): MaybePromise<void> {
    const keyring = whenReady(this.#reloading, () => (isNewKeyring ? this.#reloadKeyring() : undefined));
    return whenReady(keyring, () => (isNewUsage ? this.#learnUsage() : undefined));
  }

  /** Past the cache, which is no place for keys. */
  #tell(key: string, told: (value: Uint8Array) => void): MaybePromise<void> {
    return whenReady(this.#reloading, () =>
      whenReady(this.#deps.backend.get(key), (envelope) => {
        if (envelope && this.#opened) told(decrypt(this.#opened.keyring, key, envelope));
      }),
    );
  }

  #waitFor(work: MaybePromise<void>): void {
    if (!isPromise(work)) return;
    const reloading = Promise.all([this.#reloading, work]).then(() => {
      if (this.#reloading === reloading) this.#reloading = undefined;
    });
    this.#reloading = reloading;
  }

  /** Seals when what was stored cannot be followed: better than to go on with keys that are no longer the cluster's. */
  #guarded(work: () => MaybePromise<void>): MaybePromise<void> {
    const failed = (error: unknown): void => {
      this.#deps.log.error('the keys that the cluster uses now cannot be read: this node seals itself', { error });
      this.seal();
    };
    try {
      const done = work();
      return isPromise(done) ? done.catch(failed) : done;
    } catch (error) {
      failed(error);
    }
  }

  #learnUsage(): MaybePromise<void> {
    return whenReady(this.#deps.backend.get(KEY_USAGE_KEY), (noted) => {
      const opened = this.#opened;
      if (noted && opened) opened.usage.learn(decrypt(opened.keyring, KEY_USAGE_KEY, noted));
    });
  }

  /** Another node rotated, or changed the root key: a value under the new key may follow in the next batch. */
  #reloadKeyring(): MaybePromise<void> {
    const { backend } = this.#deps;
    return whenReady(backend.get(KEYRING_KEY), (stored) =>
      whenReady(backend.get(ROOT_KEY_COPY_KEY), (copy) => {
        const opened = this.#opened;
        if (!opened) return;
        if (!stored) throw new BarrierError('corrupt', 'the keyring was deleted');
        try {
          this.#useKeyring(openKeyring(opened.rootKey, stored));
        } catch (error) {
          if (!copy) throw error;
          const rootKey = decrypt(opened.keyring, ROOT_KEY_COPY_KEY, copy);
          this.#useKeyring(openKeyring(rootKey, stored));
          wipe(opened.rootKey);
          this.#opened = { ...this.#open(), rootKey };
        }
      }),
    );
  }

  #useKeyring(keyring: Keyring): void {
    const opened = this.#open();
    const isNewer = keyring.newest.term !== opened.usage.term;
    this.#opened = { ...opened, keyring, ...(isNewer ? { usage: new KeyUsage(keyring.newest.term) } : {}) };
    opened.keyring.wipeAllBut(keyring);
  }

  // ---- small things

  #sealedOp(keyring: Keyring, key: string, plaintext: Uint8Array): WriteOp {
    return sealedOp(keyring, key, plaintext, this.#deps.random);
  }

  async #write(ops: readonly WriteOp[]): Promise<void> {
    const state = this.#deps.ha.state();
    if (state.role !== 'active') throw new StorageError('not-active', 'only the active node writes');
    await this.#deps.backend.write({ ops, epoch: state.epoch });
  }

  #open(): OpenKeys {
    if (!this.#opened) throw new BarrierError('sealed', 'Vault is sealed');
    return this.#opened;
  }
}
