import { BoundedCache, whenReady } from '@coffer/kernel';
import type { Clock, Log, MaybePromise, Random, Secret } from '@coffer/kernel';
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
import { KEY_USAGE_KEY, isBarrierKey } from './barrier-keys.ts';
import type { Barrier, KeyStatus } from './barrier.ts';
import { KeyHolder } from './key-holder.ts';
import type { StoredKeys } from './key-holder.ts';
import { decrypt, sealedOp } from './open-keys.ts';
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
  /** Called when the barrier seals itself, since it cannot follow the cluster's keys any more. */
  readonly lost?: () => void;
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
  readonly #keys: KeyHolder;
  readonly #cache: BoundedCache<string, Entry>;
  readonly #listeners = new Set<AppliedListener>();
  readonly #own = new OwnWrites();
  readonly #unsubscribe: () => void;
  /** Changes with every applied batch: a read that began before must not fill the cache. */
  #generation = 0;

  constructor(deps: BarrierDeps) {
    this.#deps = deps;
    this.kind = deps.backend.kind;
    this.#keys = new KeyHolder({ ...deps, seal: () => this.seal() });
    this.#cache = new BoundedCache(
      deps.cacheBytesMax,
      (entry, key) => entry.plaintext.length * (entry.parsed === undefined ? 1 : 3) + key.length + ENTRY_OVERHEAD_BYTES,
    );
    this.#unsubscribe = deps.backend.subscribe((batch) => this.#applied(batch));
  }

  get sealed(): boolean {
    return this.#keys.sealed;
  }

  // ---- keys

  initialize(rootKey: Secret<Uint8Array>): Promise<void> {
    return this.#keys.initialize(rootKey);
  }

  /**
   * What `initialize` writes, for who writes more in the same batch.
   *
   * @param copies more that the new keyring encrypts, by storage key
   */
  initialOps(rootKey: Secret<Uint8Array>, copies: ReadonlyMap<string, Uint8Array>): WriteOp[] {
    return this.#keys.initialOps(rootKey, copies);
  }

  unseal(rootKey: Secret<Uint8Array>): Promise<void> {
    return this.#keys.unseal(rootKey);
  }

  seal(): void {
    this.#keys.wipe();
    this.#cache.clear();
    this.#generation++;
  }

  rotate(): Promise<KeyStatus> {
    return this.#keys.rotate();
  }

  keyStatus(): KeyStatus {
    return this.#keys.keyStatus();
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
    return this.#keys.changeRootKeyWith(rootKey, ops, copies);
  }

  /** See `KeyHolder.sealedFor`. @throws BarrierError `sealed` */
  sealedFor(state: StoredKeys, key: string, plaintext: Uint8Array): Uint8Array | undefined {
    return this.#keys.sealedFor(state, key, plaintext);
  }

  derive(purpose: string, length: number): Secret<Uint8Array> {
    return this.#keys.derive(purpose, length);
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
    this.#keys.open();
    const generation = this.#generation;
    return whenReady(this.#deps.backend.get(key), (envelope) => this.#decrypted(key, envelope, generation));
  }

  #decrypted(key: string, envelope: Uint8Array | undefined, generation: number): MaybePromise<Entry> {
    const { keyring } = this.#keys.open();
    const { reloading } = this.#keys;
    if (reloading) return reloading.then(() => this.#decrypted(key, envelope, generation));
    const entry = envelope === undefined ? ABSENT : { plaintext: decrypt(keyring, key, envelope) };
    if (generation === this.#generation) this.#cache.set(key, entry);
    return entry;
  }

  list(prefix: string, options?: ListOptions): MaybePromise<string[]> {
    this.#keys.open();
    return this.#deps.backend.list(prefix, options);
  }

  keys(range: KeyRange): MaybePromise<string[]> {
    this.#keys.open();
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
    this.#keys.watch(key, told);
  }

  // ---- writing

  write(batch: WriteBatch): Promise<WriteResult> {
    const { backend, random, encryptionsMax = ENCRYPTIONS_MAX } = this.#deps;
    let opened: OpenKeys;
    let ops: WriteOp[];
    try {
      opened = this.#keys.open();
      const { keyring } = opened;
      ops = batch.ops.map((op) => {
        if (isBarrierKey(op.key)) throw new StorageError('conflict', 'this key belongs to the barrier');
        return op.kind === 'delete' ? op : sealedOp(keyring, op.key, op.value, random);
      });
    } catch (error) {
      return Promise.reject(error as Error);
    }
    const { usage, keyring } = opened;
    for (const { kind } of ops) if (kind === 'put') usage.add(1);
    const note = usage.note();
    if (note) ops.push(sealedOp(keyring, KEY_USAGE_KEY, note, random));
    this.#own.begin(batch.ops);
    const written = backend.write({ ops, epoch: batch.epoch });
    if (usage.used >= encryptionsMax) this.#keys.rotateBecauseUsed();
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

  // ---- following

  #applied(batch: AppliedBatch): void {
    this.#generation++;
    this.#own.applied(batch);
    if (batch.everything) this.#cache.clear();
    else for (const key of batch.keys) this.#cache.delete(key);
    this.#keys.applied(batch);
    for (const listener of this.#listeners) listener(batch);
  }
}
