import { hkdfSync } from 'node:crypto';
import { BoundedCache, Secret, assert, isPromise, whenReady, wipe } from '@coffer/kernel';
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
import { BarrierError } from './barrier.ts';
import type { Barrier, KeyStatus } from './barrier.ts';
import { openEnvelope, sealEnvelope, termOf } from './envelope.ts';
import { KEY_BYTES, Keyring } from './keyring.ts';

/** Where the keyring lies, encrypted by the root key. */
export const KEYRING_KEY = 'core/keyring';
/** A key for `derive`, of its own so that rotation does not change what was derived. */
const DERIVATION_KEY = 'core/derivation-key';
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
  readonly #unsubscribe: () => void;
  #keyring: Keyring | undefined;
  #rootKey: Secret<Uint8Array> | undefined;
  #derivationKey: Uint8Array | undefined;
  #encryptions = 0;
  /** Changes with every applied batch: a read that began before must not fill the cache. */
  #generation = 0;

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
    return this.#keyring === undefined;
  }

  async initialize(rootKey: Secret<Uint8Array>): Promise<void> {
    if ((await this.#deps.backend.get(KEYRING_KEY)) !== undefined)
      throw new BarrierError('initialized', 'Vault is already initialized');
    await this.#write(this.initialOps(rootKey));
  }

  /** What `initialize` writes, for who writes more in the same batch. */
  initialOps(rootKey: Secret<Uint8Array>): WriteOp[] {
    const { clock, random } = this.#deps;
    const keyring = new Keyring([{ term: 1, key: random.bytes(KEY_BYTES), installedMs: clock.nowMs() }]);
    const derivation = random.bytes(KEY_BYTES);
    const ops: WriteOp[] = [
      { kind: 'put', key: KEYRING_KEY, value: sealEnvelope(0, rootKey.reveal(), KEYRING_KEY, keyring.serialize()) },
      { kind: 'put', key: DERIVATION_KEY, value: sealEnvelope(1, keyring.newest.key, DERIVATION_KEY, derivation) },
    ];
    keyring.wipe();
    wipe(derivation);
    return ops;
  }

  async unseal(rootKey: Secret<Uint8Array>): Promise<void> {
    const stored = await this.#deps.backend.get(KEYRING_KEY);
    if (!stored) throw new BarrierError('not-initialized', 'the store holds no keyring');
    const keyring = Keyring.parse(openEnvelope(rootKey.reveal(), KEYRING_KEY, stored));
    this.#keyring = keyring;
    this.#rootKey = new Secret(new Uint8Array(rootKey.reveal()));
    const derivation = await this.get(DERIVATION_KEY);
    if (!derivation) throw new BarrierError('corrupt', 'the store holds no derivation key');
    this.#derivationKey = new Uint8Array(derivation);
  }

  seal(): void {
    this.#keyring?.wipe();
    this.#keyring = undefined;
    if (this.#rootKey) wipe(this.#rootKey.reveal());
    this.#rootKey = undefined;
    wipe(this.#derivationKey);
    this.#derivationKey = undefined;
    this.#cache.clear();
    this.#generation++;
  }

  async rotate(): Promise<KeyStatus> {
    const { clock, random } = this.#deps;
    const keyring = this.#open();
    const next = keyring.with({
      term: keyring.newest.term + 1,
      key: random.bytes(KEY_BYTES),
      installedMs: clock.nowMs(),
    });
    await this.#storeKeyring(next, this.#root());
    this.#useKeyring(next);
    return this.keyStatus();
  }

  keyStatus(): KeyStatus {
    const { term, installedMs } = this.#open().newest;
    return { term, installTimeMs: installedMs, encryptions: this.#encryptions };
  }

  async changeRootKey(rootKey: Secret<Uint8Array>): Promise<void> {
    await this.#storeKeyring(this.#open(), rootKey);
    this.#rootKey = new Secret(new Uint8Array(rootKey.reveal()));
  }

  /** The keyring encrypted by another root key, for who writes it together with new shares. */
  rootKeyOps(rootKey: Secret<Uint8Array>): WriteOp[] {
    return [
      {
        kind: 'put',
        key: KEYRING_KEY,
        value: sealEnvelope(0, rootKey.reveal(), KEYRING_KEY, this.#open().serialize()),
      },
    ];
  }

  /** The root key itself, to be encrypted by another seal key. */
  rootKey(): Secret<Uint8Array> {
    return this.#root();
  }

  derive(purpose: string, length: number): Secret<Uint8Array> {
    const key = this.#derivationKey;
    if (!key) throw sealedError();
    return new Secret(new Uint8Array(hkdfSync('sha256', key, new Uint8Array(0), `coffer/${purpose}`, length)));
  }

  get(key: string): MaybePromise<Uint8Array | undefined> {
    return whenReady(this.#entry(key), (entry) => (entry === ABSENT ? undefined : entry.plaintext));
  }

  getParsed<T>(key: string, parse: (bytes: Uint8Array) => T): MaybePromise<T | undefined> {
    return whenReady(this.#entry(key), (entry): T | undefined => {
      if (entry === ABSENT) return undefined;
      if (entry.parsed === undefined) {
        entry.parsed = parse(entry.plaintext);
        if (this.#cache.get(key) === entry) this.#cache.set(key, entry);
      }
      // One key is parsed by one function only: that of the collection it belongs to.
      return entry.parsed as T;
    });
  }

  #entry(key: string): MaybePromise<Entry> {
    const cached = this.#cache.get(key);
    if (cached) return cached;
    const keyring = this.#open();
    const generation = this.#generation;
    const stored = this.#deps.backend.get(key);
    if (!isPromise(stored)) return this.#decrypted(keyring, key, stored, generation);
    return stored.then((envelope) => this.#decrypted(keyring, key, envelope, generation));
  }

  #decrypted(keyring: Keyring, key: string, envelope: Uint8Array | undefined, generation: number): Entry {
    const entry = envelope === undefined ? ABSENT : { plaintext: this.#decrypt(keyring, key, envelope) };
    if (generation === this.#generation && !this.sealed) this.#cache.set(key, entry);
    return entry;
  }

  #decrypt(keyring: Keyring, key: string, envelope: Uint8Array): Uint8Array {
    const dataKey = keyring.key(termOf(envelope)) ?? this.#keyring?.key(termOf(envelope));
    if (!dataKey) throw new BarrierError('corrupt', 'a stored value was encrypted under an unknown key');
    return openEnvelope(dataKey.key, key, envelope);
  }

  list(prefix: string, options?: ListOptions): MaybePromise<string[]> {
    this.#open();
    return this.#deps.backend.list(prefix, options);
  }

  keys(range: KeyRange): MaybePromise<string[]> {
    this.#open();
    return this.#deps.backend.keys(range);
  }

  write(batch: WriteBatch): Promise<WriteResult> {
    let ops: WriteOp[];
    try {
      const { term, key } = this.#open().newest;
      ops = batch.ops.map((op) => {
        if (op.kind === 'delete') return op;
        this.#encryptions++;
        return { kind: 'put', key: op.key, value: sealEnvelope(term, key, op.key, op.value) };
      });
    } catch (error) {
      return Promise.reject(error as Error);
    }
    const written = this.#deps.backend.write({ ops, epoch: batch.epoch });
    if (this.#encryptions < ENCRYPTIONS_MAX) return written;
    return written.then((result) => this.#rotateBecauseUsed(result));
  }

  async #rotateBecauseUsed(result: WriteResult): Promise<WriteResult> {
    this.#encryptions = 0;
    try {
      await this.rotate();
    } catch (error) {
      this.#deps.log.error('the barrier key is due for rotation, which failed', { error });
    }
    return result;
  }

  readBarrier(signal?: AbortSignal): MaybePromise<void> {
    return this.#deps.backend.readBarrier(signal);
  }

  subscribe(listener: AppliedListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  appliedIndex(): number {
    return this.#deps.backend.appliedIndex();
  }

  close(): Promise<void> {
    this.#unsubscribe();
    this.seal();
    return this.#deps.backend.close();
  }

  #applied(batch: AppliedBatch): void {
    this.#generation++;
    if (batch.everything) this.#cache.clear();
    else for (const key of batch.keys) this.#cache.delete(key);
    if (this.#keyring && (batch.everything || batch.keys.includes(KEYRING_KEY))) this.#reloadKeyring();
    for (const listener of this.#listeners) listener(batch);
  }

  /** Another node rotated: a value under the new key may follow in the next batch. */
  #reloadKeyring(): void {
    const rootKey = this.#rootKey;
    assert(rootKey !== undefined, 'an unsealed barrier has its root key');
    whenReady(this.#deps.backend.get(KEYRING_KEY), (stored) => {
      if (!stored) return;
      try {
        this.#useKeyring(Keyring.parse(openEnvelope(rootKey.reveal(), KEYRING_KEY, stored)));
      } catch (error) {
        if (!(error instanceof BarrierError)) throw error;
        // The root key was changed by another node: this one needs the new shares.
        this.#deps.log.error('the keyring no longer opens with the root key of this node, which seals itself', {
          error,
        });
        this.seal();
      }
    });
  }

  #useKeyring(keyring: Keyring): void {
    if (keyring.newest.term !== this.#keyring?.newest.term) this.#encryptions = 0;
    this.#keyring = keyring;
  }

  #storeKeyring(keyring: Keyring, rootKey: Secret<Uint8Array>): Promise<void> {
    return this.#write([
      { kind: 'put', key: KEYRING_KEY, value: sealEnvelope(0, rootKey.reveal(), KEYRING_KEY, keyring.serialize()) },
    ]);
  }

  async #write(ops: readonly WriteOp[]): Promise<void> {
    const state = this.#deps.ha.state();
    if (state.role !== 'active') throw new StorageError('not-active', 'only the active node writes');
    await this.#deps.backend.write({ ops, epoch: state.epoch });
  }

  #open(): Keyring {
    if (!this.#keyring) throw sealedError();
    return this.#keyring;
  }

  #root(): Secret<Uint8Array> {
    if (!this.#rootKey) throw sealedError();
    return this.#rootKey;
  }
}

function sealedError(): BarrierError {
  return new BarrierError('sealed', 'Vault is sealed');
}
