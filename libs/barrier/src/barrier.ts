import type { Backend } from '@coffer/storage';
import type { MaybePromise, Secret } from '@coffer/kernel';

/** What `sys/key-status` tells. */
export interface KeyStatus {
  readonly term: number;
  readonly installTimeMs: number;
  /** Encryptions under the newest key, across nodes and restarts: never too low, too high by up to 65,537 for each of these. */
  readonly encryptions: number;
}

/**
 * Encryption between the core and the physical store: values are AES-256-GCM with the storage path as additional data,
 * under a keyring whose keys have terms. It has the form of a `Backend`, in plaintext: everything above sees plaintext,
 * everything below ciphertext. Decrypted values are cached in a bounded LRU, filled by reads and own writes, and
 * invalidated by what the store tells as applied.
 *
 * Envelope, one per value: term (u32, big endian) ‖ version 0x02 ‖ nonce (12 bytes) ‖ ciphertext ‖ tag (16 bytes).
 * The keyring itself is stored under `core/keyring`, encrypted by the root key; the root key under `core/seal/…`,
 * encrypted by the seal, and once more by the keyring, so that unsealed standbys follow when it changes. A node that
 * cannot follow seals itself. Writes to these keys (`isBarrierKey`) are refused with StorageError `conflict`.
 */
export interface Barrier extends Backend {
  /** The value parsed, cached with the entry until it changes: nobody writes into it. */
  getParsed<T>(key: string, parse: (bytes: Uint8Array) => T): MaybePromise<T | undefined>;
  readonly sealed: boolean;
  /** Writes a new keyring for a new cluster. Leaves the barrier sealed. @throws BarrierError `initialized` */
  initialize(rootKey: Secret<Uint8Array>): Promise<void>;
  /** @throws BarrierError `wrong-key`, `not-initialized` */
  unseal(rootKey: Secret<Uint8Array>): Promise<void>;
  /** Forgets and overwrites all keys. Reads and writes fail with `sealed` from now on. */
  seal(): void;
  /** Adds a key for the next term and uses it for what is written from now on. Returns the new status. */
  rotate(): Promise<KeyStatus>;
  keyStatus(): KeyStatus;
  /** Encrypts the keyring anew, under another root key. */
  changeRootKey(rootKey: Secret<Uint8Array>): Promise<void>;
  /** HMAC-SHA-256 keys and such that belong to the cluster and not to a mount: derived from the keyring by HKDF (RFC 5869). */
  derive(purpose: string, length: number): Secret<Uint8Array>;
}

export type BarrierErrorCode =
  'sealed' | 'initialized' | 'not-initialized' | 'wrong-key' | 'corrupt' | 'invalid-config' | 'invalid-share';

/** An expected failure of the barrier or the seal; the message may be shown to the client and carries no key. */
export class BarrierError extends Error {
  override readonly name = 'BarrierError';
  readonly code: BarrierErrorCode;

  constructor(code: BarrierErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** How the root key is guarded, as in `sys/seal-status`. */
export interface SealStatus {
  readonly type: string;
  readonly initialized: boolean;
  readonly sealed: boolean;
  /** Shares needed. */
  readonly threshold: number;
  readonly shares: number;
  /** Shares given so far in this attempt. */
  readonly progress: number;
  /** Names the attempt while `progress` is above 0. */
  readonly nonce: string;
  readonly recoverySeal: boolean;
}

export interface InitRequest {
  readonly secretShares: number;
  readonly secretThreshold: number;
  /** ASCII-armoured or base64 public keys, one a share; each share is encrypted for its key. */
  readonly pgpKeys?: readonly string[];
  readonly rootTokenPgpKey?: string;
}

export interface InitResult {
  /** Hex; or, with PGP keys, hex of the encrypted message. */
  readonly keys: readonly string[];
  readonly keysBase64: readonly string[];
}

/** Encrypts and decrypts with the key that the shares make up (AES-256-GCM). */
export interface SealKey {
  /** @throws BarrierError `sealed` where the key is no longer that of this node */
  encrypt(plaintext: Uint8Array): Uint8Array;
  /** @throws BarrierError `wrong-key`, and as `encrypt` */
  decrypt(sealed: Uint8Array): Uint8Array;
}

/**
 * Initialisation, unsealing and sealing of one node. Shares are Shamir's over GF(2^8) (CACM 22/11, 1979) in constant
 * time, in Vault's wire form: the share's bytes followed by its x coordinate.
 */
export interface SealManager {
  status(): MaybePromise<SealStatus>;
  /**
   * Makes the root key, the keyring and the shares, all in one batch.
   * @throws BarrierError `initialized`, `invalid-config` (says which field and what was expected)
   */
  initialize(request: InitRequest): Promise<InitResult>;
  /**
   * Adds a share. Unseals the barrier as soon as the threshold is met.
   * @throws BarrierError `invalid-share`, `wrong-key` (all shares of the attempt are dropped), `not-initialized`
   */
  unseal(share: Secret<Uint8Array>): Promise<SealStatus>;
  /** Drops the shares given so far. */
  resetUnseal(): void;
  /**
   * For a node that is about to join a cluster: collects shares for that cluster's seal configuration (as its leader
   * sent it); when the threshold is met, `join` is called with the seal's key, brings the cluster's state to this disk,
   * and the barrier is unsealed from there. A failing `join` drops the shares and its error reaches the unsealing client.
   */
  expectJoin(sealConfig: Uint8Array, join: (sealer: SealKey) => Promise<void>): void;
  /** The stored seal configuration, for joiners. */
  sealConfig(): MaybePromise<Uint8Array | undefined>;
  /** The seal's key, while unsealed. */
  sealKey(): SealKey | undefined;
  seal(): void;
}
