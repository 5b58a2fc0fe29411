import { Secret, assert, equalInConstantTime, whenReady, wipe } from '@coffer/kernel';
import type { MaybePromise, Random } from '@coffer/kernel';
import type { Backend, HaCoordinator, WriteOp } from '@coffer/storage';
import { StorageError } from '@coffer/storage';
import type { AesGcmBarrier } from './aes-gcm-barrier.ts';
import { ROOT_KEY_KEY, SEAL_CONFIG_KEY, SEAL_KEY_COPY_KEY } from './barrier-keys.ts';
import { BarrierError } from './barrier.ts';
import type { InitRequest, InitResult, SealKey, SealManager, SealStatus } from './barrier.ts';
import { openEnvelope, sealEnvelope } from './envelope.ts';
import { KEY_BYTES } from './keyring.ts';
import { encryptFor, fingerprintOf } from './pgp.ts';
import { checkSealConfig, decodeSealConfig, encodeSealConfig } from './seal-config.ts';
import type { SealConfig } from './seal-config.ts';
import { split } from './shamir/shamir.ts';
import { ShareCollector } from './share-collector.ts';

export interface SealManagerDeps {
  readonly barrier: AesGcmBarrier;
  /** The store below the barrier: what a sealed node reads is not encrypted by the barrier. */
  readonly backend: Backend;
  readonly ha: Pick<HaCoordinator, 'state'>;
  readonly random: Random;
}

/** What the seal's key encrypts for joiners; bound to its purpose. */
const JOIN_PURPOSE = 'coffer/join';
/** What it encrypts in archives of snapshots. */
const SNAPSHOT_PURPOSE = 'coffer/snapshot';

/** New shares that do not count yet. */
export interface PreparedShares {
  readonly result: InitResult;
  /** Whether a key that shares made up is the new one. */
  fits(key: Secret<Uint8Array>): boolean;
  /**
   * From now on the new shares unseal, and the old ones do not. At most once.
   *
   * Where it fails with `in-doubt`, either may be the case: hand out the shares, and have them verified, before.
   *
   * @throws StorageError as `Backend.write`; BarrierError `sealed`
   */
  commit(): Promise<void>;
  /** Forgets the new key; without effect after `commit`. */
  discard(): void;
}

interface ExpectedJoin {
  readonly config: SealConfig;
  readonly join: (key: SealKey) => Promise<void>;
}

/** The seal whose key is split among people; see `SealManager`. */
export class ShamirSealManager implements SealManager {
  readonly #deps: SealManagerDeps;
  readonly #collector: ShareCollector;
  #key: Secret<Uint8Array> | undefined;
  /** Keys that were given up, and wiped. */
  readonly #givenUp = new WeakSet<Secret<Uint8Array>>();
  #expected: ExpectedJoin | undefined;
  #initializing = false;

  constructor(deps: SealManagerDeps) {
    this.#deps = deps;
    this.#collector = new ShareCollector(deps.random);
    // Another node changed the shares: this one needs the new key to let others join once it is active.
    deps.barrier.watch(SEAL_KEY_COPY_KEY, (copy) => this.#learnKey(copy));
  }

  status(): MaybePromise<SealStatus> {
    return whenReady(this.#config(), (config): SealStatus => ({
      type: 'shamir',
      initialized: config !== undefined,
      sealed: this.#deps.barrier.sealed,
      threshold: config?.threshold ?? 0,
      shares: config?.shares ?? 0,
      progress: this.#collector.progress,
      nonce: this.#collector.nonce,
      recoverySeal: false,
    }));
  }

  /** Refuses a request that cannot be met, before anything is written. @throws BarrierError `invalid-config` */
  check(request: InitRequest): void {
    checkSealConfig(request.secretShares, request.secretThreshold, request.pgpKeys);
  }

  async initialize(request: InitRequest): Promise<InitResult> {
    const result = await this.initializeUnsealed(request);
    this.seal();
    return result;
  }

  /**
   * Initialises and leaves the node unsealed, so that the first root token can be made; the caller seals it again if it
   * is to be unsealed by people.
   */
  async initializeUnsealed(request: InitRequest): Promise<InitResult> {
    const config = checkSealConfig(request.secretShares, request.secretThreshold, request.pgpKeys);
    // Two at once would hand out shares of which only the later ones count.
    if (this.#initializing) throw new BarrierError('initialized', 'Vault is being initialized');
    this.#initializing = true;
    try {
      if (await this.#deps.backend.get(SEAL_CONFIG_KEY))
        throw new BarrierError('initialized', 'Vault is already initialized');
      if (request.rootTokenPgpKey !== undefined) await fingerprintOf(request.rootTokenPgpKey);
      return await this.#initialize(config, request.pgpKeys);
    } finally {
      this.#initializing = false;
    }
  }

  async #initialize(config: SealConfig, pgpKeys: readonly string[] | undefined): Promise<InitResult> {
    const { barrier, random } = this.#deps;
    const rootKey = new Secret(random.bytes(KEY_BYTES));
    const sealKey = new Secret(random.bytes(KEY_BYTES));
    const result = await this.#deliver(sealKey, config, pgpKeys);
    const copies = new Map([[SEAL_KEY_COPY_KEY, sealKey.reveal()]]);
    await this.#write([...barrier.initialOps(rootKey, copies), ...this.#sealOps(config, sealKey, rootKey)]);
    await barrier.unseal(rootKey);
    this.#useKey(sealKey);
    wipe(rootKey.reveal());
    return result;
  }

  /** New shares of a new seal key for a new root key, in one batch. The nodes stay unsealed. */
  async reshare(shares: number, threshold: number, pgpKeys: readonly string[] | undefined): Promise<InitResult> {
    const prepared = await this.prepareReshare(shares, threshold, pgpKeys);
    await prepared.commit();
    return prepared.result;
  }

  /** The same, but nothing is written before `commit`, so that people can first prove that they have the new shares. */
  async prepareReshare(
    shares: number,
    threshold: number,
    pgpKeys: readonly string[] | undefined,
  ): Promise<PreparedShares> {
    const config = checkSealConfig(shares, threshold, pgpKeys);
    const sealKey = new Secret(this.#deps.random.bytes(KEY_BYTES));
    const result = await this.#deliver(sealKey, config, pgpKeys);
    let committing = false;
    return {
      result,
      fits: (key) => equalInConstantTime(key.reveal(), sealKey.reveal()),
      commit: async () => {
        assert(!committing, 'prepared shares are committed once');
        committing = true;
        await this.#changeSealKey(config, sealKey);
      },
      discard: () => {
        if (!committing) wipe(sealKey.reveal());
      },
    };
  }

  async #changeSealKey(config: SealConfig, sealKey: Secret<Uint8Array>): Promise<void> {
    const rootKey = new Secret(this.#deps.random.bytes(KEY_BYTES));
    try {
      await this.#deps.barrier.changeRootKeyWith(
        rootKey,
        this.#sealOps(config, sealKey, rootKey),
        new Map([[SEAL_KEY_COPY_KEY, sealKey.reveal()]]),
      );
    } finally {
      wipe(rootKey.reveal());
    }
    this.#useKey(sealKey);
    this.#collector.reset();
  }

  #useKey(sealKey: Secret<Uint8Array>): void {
    this.#giveUpKey();
    this.#key = sealKey;
  }

  #giveUpKey(): void {
    if (!this.#key) return;
    wipe(this.#key.reveal());
    this.#givenUp.add(this.#key);
    this.#key = undefined;
  }

  /** The key as the store has it. Where it is told again, as after a restore, what is sealed with it at the moment goes on. */
  #learnKey(copy: Uint8Array): void {
    if (this.#key && equalInConstantTime(this.#key.reveal(), copy)) wipe(copy);
    else this.#useKey(new Secret(copy));
  }

  /** Whether a key that shares made up is the seal's. */
  async verifyKey(sealKey: Secret<Uint8Array>): Promise<boolean> {
    try {
      wipe((await this.#rootKeyBy(sealKey)).reveal());
      return true;
    } catch (error) {
      if (error instanceof BarrierError && error.code === 'wrong-key') return false;
      throw error;
    }
  }

  async unseal(share: Secret<Uint8Array>): Promise<SealStatus> {
    const config = await this.#config();
    if (!config) throw new BarrierError('not-initialized', 'Vault is not initialized');
    if (!this.#deps.barrier.sealed) return this.status();
    const sealKey = this.#collector.add(share, config);
    if (sealKey) await this.#unsealWith(sealKey);
    return this.status();
  }

  async #unsealWith(sealKey: Secret<Uint8Array>): Promise<void> {
    try {
      if (this.#expected && !(await this.#deps.backend.get(SEAL_CONFIG_KEY))) {
        await this.#expected.join(this.#sealKeyOf(sealKey));
        this.#expected = undefined;
      }
      const rootKey = await this.#rootKeyBy(sealKey);
      await this.#deps.barrier.unseal(rootKey);
      wipe(rootKey.reveal());
    } catch (error) {
      wipe(sealKey.reveal());
      throw error;
    }
    this.#useKey(sealKey);
    this.#collector.reset();
  }

  async #rootKeyBy(sealKey: Secret<Uint8Array>): Promise<Secret<Uint8Array>> {
    const stored = await this.#deps.backend.get(ROOT_KEY_KEY);
    if (!stored) throw new BarrierError('corrupt', 'the store holds no root key');
    try {
      return new Secret(openEnvelope(sealKey.reveal(), ROOT_KEY_KEY, stored));
    } catch (cause) {
      if (!(cause instanceof BarrierError) || cause.code !== 'wrong-key') throw cause;
      throw new BarrierError('wrong-key', 'the key shares do not fit: all shares of this attempt were dropped', {
        cause,
      });
    }
  }

  resetUnseal(): void {
    this.#collector.reset();
  }

  seal(): void {
    this.#collector.reset();
    this.#giveUpKey();
    this.#deps.barrier.seal();
  }

  expectJoin(sealConfig: Uint8Array, join: (sealer: SealKey) => Promise<void>): void {
    this.#expected = { config: decodeSealConfig(sealConfig), join };
  }

  sealConfig(): MaybePromise<Uint8Array | undefined> {
    return this.#deps.backend.get(SEAL_CONFIG_KEY);
  }

  sealKey(): SealKey | undefined {
    return this.#key && this.#sealKeyOf(this.#key);
  }

  /** The seal's key for archives of snapshots, while unsealed: who has it has the present shares. */
  snapshotKey(): SealKey | undefined {
    return this.#key && this.#sealKeyOf(this.#key, SNAPSHOT_PURPOSE);
  }

  #config(): MaybePromise<SealConfig | undefined> {
    return whenReady(this.#deps.backend.get(SEAL_CONFIG_KEY), (stored) =>
      stored ? decodeSealConfig(stored) : this.#expected?.config,
    );
  }

  #sealOps(config: SealConfig, sealKey: Secret<Uint8Array>, rootKey: Secret<Uint8Array>): WriteOp[] {
    return [
      { kind: 'put', key: SEAL_CONFIG_KEY, value: encodeSealConfig(config) },
      {
        kind: 'put',
        key: ROOT_KEY_KEY,
        value: sealEnvelope(0, sealKey.reveal(), ROOT_KEY_KEY, rootKey.reveal(), this.#deps.random),
      },
    ];
  }

  /** The shares as people get them. */
  async #deliver(
    sealKey: Secret<Uint8Array>,
    config: SealConfig,
    pgpKeys: readonly string[] | undefined,
  ): Promise<InitResult> {
    const shares =
      config.shares === 1
        ? [new Uint8Array(sealKey.reveal())]
        : split(sealKey.reveal(), config.shares, config.threshold, this.#deps.random);
    const texts = await Promise.all(
      shares.map(async (share, index) => {
        const pgpKey = pgpKeys?.[index];
        const bytes = pgpKey === undefined ? share : await encryptFor(pgpKey, Buffer.from(share).toString('hex'));
        const buffer = Buffer.from(bytes);
        return { hex: buffer.toString('hex'), base64: buffer.toString('base64') };
      }),
    );
    for (const share of shares) wipe(share);
    return { keys: texts.map(({ hex }) => hex), keysBase64: texts.map(({ base64 }) => base64) };
  }

  async #write(ops: readonly WriteOp[]): Promise<void> {
    const state = this.#deps.ha.state();
    if (state.role !== 'active') throw new StorageError('not-active', 'only the active node initialises');
    await this.#deps.backend.write({ ops, epoch: state.epoch });
  }

  #sealKeyOf(key: Secret<Uint8Array>, purpose = JOIN_PURPOSE): SealKey {
    const held = (): Uint8Array => {
      // What was wiped is a key of zeros, which everybody has.
      if (this.#givenUp.has(key)) throw new BarrierError('sealed', 'the key of the seal was given up meanwhile');
      return key.reveal();
    };
    return {
      encrypt: (plaintext) => sealEnvelope(0, held(), purpose, plaintext, this.#deps.random),
      decrypt: (sealed) => openEnvelope(held(), purpose, sealed),
    };
  }
}
