import { Turns, equalInConstantTime, wipe } from '@coffer/kernel';
import type { Random, Secret } from '@coffer/kernel';
import { ShareCollector, checkSealConfig } from '@coffer/barrier';
import type { InitResult, PreparedShares, SealConfig } from '@coffer/barrier';
import { badRequest } from '@coffer/sdk';
import { StorageError } from '@coffer/storage';
import { asBadRequest, collect, fingerprintsOf, givePresentShare } from './present-shares.ts';
import type { PresentSeal } from './present-shares.ts';

/** What rekeying asks of the seal. */
export interface Resharing extends PresentSeal {
  prepareReshare(shares: number, threshold: number, pgpKeys: readonly string[] | undefined): Promise<PreparedShares>;
}

export interface RekeyRequest {
  readonly shares: number;
  readonly threshold: number;
  readonly pgpKeys: readonly string[];
  readonly backup: boolean;
  /** The new shares take effect only once enough of them were given back. */
  readonly requireVerification: boolean;
}

export interface RekeyStatus {
  readonly started: boolean;
  /** Of the present seal: shares that authorise the change. */
  readonly required: number;
  /** What follows is there while `started`. */
  readonly request?: RekeyRequest;
  readonly nonce?: string;
  readonly progress?: number;
  readonly pgpFingerprints?: readonly string[];
  readonly verificationNonce?: string;
}

export interface RekeyResult extends InitResult {
  readonly nonce: string;
  readonly pgpFingerprints: readonly string[];
  readonly backup: boolean;
  /**
   * The active node was lost while it wrote: the old shares or the new ones count. Without the new ones in somebody's
   * hands, a cluster that is sealed might never be opened again.
   */
  readonly outcomeUnknown: boolean;
  /** Names the verification that must follow; '' where none is asked for. */
  readonly verificationNonce: string;
}

export interface VerifyStatus {
  readonly nonce: string;
  readonly started: boolean;
  readonly threshold: number;
  readonly shares: number;
  readonly progress: number;
}

interface Verification {
  readonly prepared: PreparedShares;
  readonly collector: ShareCollector;
  nonce: string;
}

interface Attempt {
  readonly nonce: string;
  readonly request: RekeyRequest;
  readonly config: SealConfig;
  readonly fingerprints: readonly string[];
  readonly collector: ShareCollector;
  verification?: Verification;
}

/** Does a write; tells whether its outcome is open. @throws what it throws otherwise: nothing has changed then */
async function isInDoubt(write: () => Promise<void>): Promise<boolean> {
  try {
    await write();
    return false;
  } catch (error) {
    if (error instanceof StorageError && error.code === 'in-doubt') return true;
    throw error;
  }
}

/**
 * Changes the shares of the unseal key: the holders of the present ones agree by giving them, then new ones are handed
 * out. One attempt at a time, in the active node's memory only: a new active node starts from nothing, as in Vault.
 * All errors are RequestErrors of status 400 unless said otherwise.
 */
export class Rekey {
  readonly #seal: Resharing;
  readonly #random: Random;
  readonly #turns = new Turns();
  #attempt: Attempt | undefined;

  constructor(seal: Resharing, random: Random) {
    this.#seal = seal;
    this.#random = random;
  }

  async status(): Promise<RekeyStatus> {
    const { threshold: required } = await this.#seal.status();
    const attempt = this.#attempt;
    if (!attempt) return { started: false, required };
    return {
      started: true,
      required,
      request: attempt.request,
      nonce: attempt.nonce,
      progress: attempt.collector.progress,
      pgpFingerprints: attempt.fingerprints,
      verificationNonce: attempt.verification?.nonce ?? '',
    };
  }

  /** Begins an attempt. */
  start(request: RekeyRequest): Promise<RekeyStatus> {
    return this.#turns.take(async () => {
      if (this.#attempt) throw badRequest('rotation already in progress');
      const { shares, threshold, pgpKeys } = request;
      const config = asBadRequest(() => checkSealConfig(shares, threshold, pgpKeys.length > 0 ? pgpKeys : undefined));
      const fingerprints = await fingerprintsOf(pgpKeys);
      const collector = new ShareCollector(this.#random);
      this.#attempt = { nonce: this.#random.uuid(), request, config, fingerprints, collector };
      return this.status();
    });
  }

  /** Ends the attempt, whatever it has come to; new shares that were not verified are void. */
  cancel(): Promise<void> {
    return this.#turns.take(async () => {
      await Promise.resolve();
      this.#end();
    });
  }

  #end(): void {
    this.#attempt?.collector.reset();
    this.#attempt?.verification?.collector.reset();
    this.#attempt?.verification?.prepared.discard();
    this.#attempt = undefined;
  }

  /** Takes a present share. @returns the new shares as soon as enough were given */
  give(nonce: string, share: Secret<Uint8Array>): Promise<RekeyResult | undefined> {
    return this.#turns.take(async () => {
      const attempt = this.#attempt;
      if (!attempt) throw badRequest('no rotation in progress');
      if (attempt.verification) {
        throw badRequest(
          `rotation already finished; verification must be performed; nonce for the verification operation is "${attempt.verification.nonce}"`,
        );
      }
      if (!equalInConstantTime(nonce, attempt.nonce)) {
        throw badRequest(`incorrect nonce supplied; nonce for rotation is "${attempt.nonce}"`);
      }
      const unfit = (): Error => badRequest('root key verification failed: the key shares do not fit');
      if (!(await givePresentShare(this.#seal, attempt.collector, share, 'rotation', unfit))) return undefined;
      return this.#makeShares(attempt);
    });
  }

  async #makeShares(attempt: Attempt): Promise<RekeyResult> {
    const { shares, threshold, pgpKeys, backup, requireVerification } = attempt.request;
    const prepared = await this.#seal.prepareReshare(shares, threshold, pgpKeys.length > 0 ? pgpKeys : undefined);
    let verificationNonce = '';
    let outcomeUnknown = false;
    if (requireVerification) {
      verificationNonce = this.#random.uuid();
      attempt.verification = { prepared, collector: new ShareCollector(this.#random), nonce: verificationNonce };
    } else {
      outcomeUnknown = await isInDoubt(() => prepared.commit());
      this.#end();
    }
    return {
      ...prepared.result,
      outcomeUnknown,
      nonce: attempt.nonce,
      pgpFingerprints: attempt.fingerprints,
      backup,
      verificationNonce,
    };
  }

  verifyStatus(): VerifyStatus {
    const attempt = this.#attempt;
    if (!attempt) throw badRequest('no rotation configuration found');
    return {
      nonce: attempt.verification?.nonce ?? '',
      started: attempt.verification !== undefined,
      threshold: attempt.config.threshold,
      shares: attempt.config.shares,
      progress: attempt.verification?.collector.progress ?? 0,
    };
  }

  /** Takes a new share back. @returns the attempt's nonce when that proved that the new shares arrived: they count now */
  verify(nonce: string, share: Secret<Uint8Array>): Promise<string | undefined> {
    return this.#turns.take(async () => {
      const attempt = this.#attempt;
      if (!attempt) throw badRequest('no rotation in progress');
      const { verification } = attempt;
      if (!verification) throw badRequest('no rotation verification in progress');
      if (!equalInConstantTime(nonce, verification.nonce)) {
        throw badRequest(`incorrect nonce supplied; nonce for this verify operation is "${verification.nonce}"`);
      }
      const key = collect(verification.collector, share, attempt.config, 'verify operation');
      if (!key) return undefined;
      const isRight = verification.prepared.fits(key);
      wipe(key.reveal());
      if (!isRight) throw badRequest('rotation verification failed; incorrect key shares supplied');
      await verification.prepared.commit();
      delete attempt.verification;
      this.#end();
      return verification.nonce;
    });
  }

  /** Drops the new shares that were given back so far; the verification goes on under a new nonce. */
  restartVerification(): Promise<void> {
    return this.#turns.take(async () => {
      await Promise.resolve();
      const attempt = this.#attempt;
      if (!attempt) throw badRequest('no rotation in progress');
      if (!attempt.verification) return;
      attempt.verification.collector.reset();
      attempt.verification.nonce = this.#random.uuid();
    });
  }
}
