import { hkdfSync } from 'node:crypto';
import { Secret, Turns, assert, isPromise, whenReady, wipe } from '@coffer/kernel';
import type { Clock, Log, MaybePromise, Random } from '@coffer/kernel';
import { StorageError } from '@coffer/storage';
import type { AppliedBatch, Backend, HaCoordinator, WriteOp } from '@coffer/storage';
import { DERIVATION_KEY, KEYRING_KEY, KEY_USAGE_KEY, ROOT_KEY_COPY_KEY } from './barrier-keys.ts';
import { BarrierError } from './barrier.ts';
import type { KeyStatus } from './barrier.ts';
import { KeyUsage } from './key-usage.ts';
import { KEY_BYTES, Keyring } from './keyring.ts';
import { decrypt, keyringOp, openKeyring, sealedOp, wipeAll } from './open-keys.ts';
import type { OpenKeys } from './open-keys.ts';

export interface KeyHolderDeps {
  readonly backend: Backend;
  readonly ha: Pick<HaCoordinator, 'state'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Seals the whole barrier, these keys included. */
  readonly seal: () => void;
  /** Called after it, where the keys could not be followed. */
  readonly lost?: () => void;
}

/** What a state stores about its keys, as it is stored. */
export interface StoredKeys {
  readonly keyring: Uint8Array;
  readonly rootKeyCopy: Uint8Array | undefined;
}

/**
 * The barrier's keys while it is unsealed: made, opened, changed on the active node, and followed on all others. What
 * cannot be followed seals the node.
 */
export class KeyHolder {
  readonly #deps: KeyHolderDeps;
  readonly #watched = new Map<string, (value: Uint8Array) => void>();
  #opened: OpenKeys | undefined;
  #reloading: Promise<void> | undefined;
  /** Changes with everything that is stored about keys. */
  #keysGeneration = 0;
  /** Changes of the keyring are made one after the other: two at once could give one term two keys. */
  readonly #turns = new Turns();
  #rotating = false;

  constructor(deps: KeyHolderDeps) {
    this.#deps = deps;
  }

  get sealed(): boolean {
    return this.#opened === undefined;
  }

  /** @throws BarrierError `sealed` */
  open(): OpenKeys {
    if (!this.#opened) throw new BarrierError('sealed', 'Vault is sealed');
    return this.#opened;
  }

  /** The keyring was changed by another node and is being read: what is decrypted meanwhile waits. */
  get reloading(): Promise<void> | undefined {
    return this.#reloading;
  }

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
      this.#deps.seal();
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

  /** Forgets them. */
  wipe(): void {
    if (this.#opened) wipeAll(this.#opened);
    this.#opened = undefined;
  }

  rotate(): Promise<KeyStatus> {
    return this.#turns.take(async () => {
      const { clock, random } = this.#deps;
      const { keyring, rootKey } = this.open();
      const term = keyring.newest.term + 1;
      const next = keyring.with({ term, key: random.bytes(KEY_BYTES), installedMs: clock.nowMs() });
      await this.#write([keyringOp(next, rootKey, random)]);
      // It came back by the feed already where reading is synchronous.
      if (this.open().keyring.newest.term < term) this.#useKeyring(next);
      else wipe(next.newest.key);
      return this.keyStatus();
    });
  }

  /** On its own: the write that happened to be the last one allowed has nothing to do with it. */
  rotateBecauseUsed(): void {
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

  keyStatus(): KeyStatus {
    const { keyring, usage } = this.open();
    const { term, installedMs } = keyring.newest;
    return { term, installTimeMs: installedMs, encryptions: usage.used };
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
      const { keyring, usage } = this.open();
      const next = new Uint8Array(rootKey.reveal());
      usage.add(copies.size + 1);
      await this.#write([
        ...ops,
        ...[...copies].map(([key, value]) => this.#sealedOp(keyring, key, value)),
        this.#sealedOp(keyring, ROOT_KEY_COPY_KEY, next),
        keyringOp(keyring, next, this.#deps.random),
      ]);
      const opened = this.open();
      wipe(opened.rootKey);
      this.#opened = { ...opened, rootKey: next };
    });
  }

  derive(purpose: string, length: number): Secret<Uint8Array> {
    const { derivationKey } = this.open();
    return new Secret(
      new Uint8Array(hkdfSync('sha256', derivationKey, new Uint8Array(0), `coffer/${purpose}`, length)),
    );
  }

  /**
   * A value as another state of this cluster holds it: encrypted under the newest key of its keyring.
   *
   * @param state what it stores about keys, as it is stored
   * @returns undefined where its keys are not to be had with those of this barrier
   */
  sealedFor(state: StoredKeys, key: string, plaintext: Uint8Array): Uint8Array | undefined {
    const keyring = this.#keyringOf(state);
    if (!keyring) return undefined;
    try {
      const op = this.#sealedOp(keyring, key, plaintext);
      assert(op.kind === 'put', 'a value is sealed to be put');
      return op.value;
    } finally {
      keyring.wipe();
    }
  }

  #keyringOf({ keyring: stored, rootKeyCopy }: StoredKeys): Keyring | undefined {
    const { rootKey, keyring } = this.open();
    try {
      return openKeyring(rootKey, stored);
    } catch (error) {
      if (!(error instanceof BarrierError)) throw error;
    }
    if (!rootKeyCopy) return undefined;
    try {
      // Of another root key, which is told under a key that is known here.
      const other = decrypt(keyring, ROOT_KEY_COPY_KEY, rootKeyCopy);
      try {
        return openKeyring(other, stored);
      } finally {
        wipe(other);
      }
    } catch (error) {
      if (!(error instanceof BarrierError)) throw error;
      return undefined;
    }
  }

  /** One listener a key, which owns what it is told. */
  watch(key: string, told: (value: Uint8Array) => void): void {
    this.#watched.set(key, told);
  }

  // ---- following

  /** Every applied batch, in order. */
  applied(batch: AppliedBatch): void {
    const isNewKeyring = batch.everything === true || batch.keys.includes(KEYRING_KEY);
    const isNewUsage = batch.everything === true || batch.keys.includes(KEY_USAGE_KEY);
    if (isNewKeyring || isNewUsage) this.#keysGeneration++;
    if (!this.#opened) return;
    if (isNewKeyring || isNewUsage) this.#waitFor(this.#guarded(() => this.#followKeys(isNewKeyring, isNewUsage)));
    for (const [key, told] of this.#watched) {
      if (batch.everything || batch.keys.includes(key)) this.#guarded(() => this.#tell(key, told));
    }
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
      this.#deps.seal();
      this.#deps.lost?.();
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
          this.#opened = { ...this.open(), rootKey };
        }
      }),
    );
  }

  #useKeyring(keyring: Keyring): void {
    const opened = this.open();
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
}
