import { Turns, equalInConstantTime } from '@coffer/kernel';
import type { Random, Secret } from '@coffer/kernel';
import { ShareCollector, encryptFor } from '@coffer/barrier';
import { badRequest } from '@coffer/sdk';
import { fingerprintsOf, givePresentShare } from './present-shares.ts';
import type { PresentSeal } from './present-shares.ts';

/** Characters of a root token that is made here, and so of the one-time password that hides it: what clients count on. */
export const OTP_LENGTH = 26;
const TOKEN_PREFIX = 's.';
/** Bytes of the shortest and the longest thing that could be a share. */
const SHARE_BYTES_MIN = 16;
const SHARE_BYTES_MAX = 33;

export interface GenerateRootDeps {
  readonly seal: PresentSeal;
  readonly random: Random;
  /** Makes a root token with this id. */
  readonly createRootToken: (id: string) => Promise<void>;
  /** Revokes one that could not be handed out. */
  readonly revokeRootToken: (id: string) => Promise<void>;
}

export interface GenerateRootStatus {
  readonly started: boolean;
  readonly complete: boolean;
  readonly required: number;
  readonly progress: number;
  readonly otpLength: number;
  /** Told once, by `start`, where the server chose it; else ''. */
  readonly otp: string;
  readonly nonce?: string;
  readonly pgpFingerprint?: string;
  /** In base64 without padding: the token XOR the one-time password, or encrypted for the PGP key (with padding). */
  readonly encodedToken?: string;
}

type Cover =
  | { readonly kind: 'otp'; readonly otp: string }
  | { readonly kind: 'pgp'; readonly key: string; readonly fingerprint: string };

interface Attempt {
  readonly nonce: string;
  readonly cover: Cover;
  readonly collector: ShareCollector;
}

/**
 * Makes a root token for who brings together enough unseal key shares. The token is shown only hidden: by a one-time
 * password that whoever began the attempt holds, or for a PGP key. One attempt at a time, in the active node's memory.
 */
export class GenerateRoot {
  readonly #deps: GenerateRootDeps;
  readonly #turns = new Turns();
  #attempt: Attempt | undefined;

  constructor(deps: GenerateRootDeps) {
    this.#deps = deps;
  }

  async status(): Promise<GenerateRootStatus> {
    const { threshold: required } = await this.#deps.seal.status();
    const attempt = this.#attempt;
    const common = { complete: false, required, otp: '', otpLength: OTP_LENGTH };
    if (!attempt) return { ...common, started: false, progress: 0 };
    return {
      ...common,
      started: true,
      progress: attempt.collector.progress,
      nonce: attempt.nonce,
      pgpFingerprint: attempt.cover.kind === 'pgp' ? attempt.cover.fingerprint : '',
    };
  }

  /**
   * Begins an attempt; without a password or a key, the server chooses a password and tells it.
   * @throws RequestError
   */
  start(wanted: { readonly otp?: string; readonly pgpKey?: string }): Promise<GenerateRootStatus> {
    return this.#turns.take(async () => {
      const { random } = this.#deps;
      if (wanted.otp !== undefined && wanted.pgpKey !== undefined) {
        throw badRequest('otp and pgp_key cannot both be given');
      }
      if (wanted.otp !== undefined && Buffer.byteLength(wanted.otp) !== OTP_LENGTH) {
        throw badRequest('OTP string has incorrect length');
      }
      if (this.#attempt) throw badRequest('root generation already in progress for this namespace');
      const chosen = random.base62(OTP_LENGTH);
      const cover: Cover =
        wanted.pgpKey === undefined
          ? { kind: 'otp', otp: wanted.otp ?? chosen }
          : { kind: 'pgp', key: wanted.pgpKey, fingerprint: (await fingerprintsOf([wanted.pgpKey])).join() };
      this.#attempt = { nonce: random.uuid(), cover, collector: new ShareCollector(random) };
      const isChosen = wanted.otp === undefined && wanted.pgpKey === undefined;
      return { ...(await this.status()), otp: isChosen ? chosen : '' };
    });
  }

  cancel(): Promise<void> {
    return this.#turns.take(async () => {
      await Promise.resolve();
      this.#end();
    });
  }

  #end(): void {
    this.#attempt?.collector.reset();
    this.#attempt = undefined;
  }

  /** Takes a share; the one that completes them makes the token. @throws RequestError */
  give(nonce: string, share: Secret<Uint8Array>): Promise<GenerateRootStatus> {
    return this.#turns.take(async () => {
      const { length } = share.reveal();
      if (length < SHARE_BYTES_MIN)
        throw badRequest(`invalid key: key is shorter than minimum ${String(SHARE_BYTES_MIN)} bytes`);
      if (length > SHARE_BYTES_MAX)
        throw badRequest(`invalid key: key is longer than maximum ${String(SHARE_BYTES_MAX)} bytes`);
      const attempt = this.#attempt;
      if (!attempt) throw badRequest('no root generation in progress');
      if (!equalInConstantTime(nonce, attempt.nonce)) {
        throw badRequest(`incorrect nonce supplied; nonce for this root generation operation is "${attempt.nonce}"`);
      }
      const unfit = (): Error => badRequest('root generation aborted: the key shares do not fit');
      const isAgreed = await givePresentShare(this.#deps.seal, attempt.collector, share, 'generation operation', unfit);
      if (!isAgreed) return this.status();
      const encodedToken = await this.#makeToken(attempt.cover);
      const before = await this.status();
      this.#end();
      return { ...before, complete: true, progress: before.required, encodedToken };
    });
  }

  async #makeToken(cover: Cover): Promise<string> {
    const token = TOKEN_PREFIX + this.#deps.random.base62(OTP_LENGTH - TOKEN_PREFIX.length);
    await this.#deps.createRootToken(token);
    try {
      return cover.kind === 'otp'
        ? encodeToken(token, cover.otp)
        : Buffer.from(await encryptFor(cover.key, token)).toString('base64');
    } catch (error) {
      // Nobody ever sees this token: it must not live on.
      await this.#deps.revokeRootToken(token);
      throw error;
    }
  }
}

/** @throws RequestError for different lengths */
function xor(a: Uint8Array, b: Uint8Array): Uint8Array {
  if (a.length !== b.length) {
    throw badRequest(
      `error xoring token: length of byte slices is not equivalent: ${String(a.length)} != ${String(b.length)}`,
    );
  }
  return a.map((byte, index) => byte ^ (b[index] ?? 0));
}

/** Hides a token: its bytes XOR those of a password of the same length, in base64 without padding. */
export function encodeToken(token: string, otp: string): string {
  return Buffer.from(xor(Buffer.from(token), Buffer.from(otp)))
    .toString('base64')
    .replace(/=+$/, '');
}

/** The reverse. @throws RequestError */
export function decodeToken(encoded: string, otp: string): string {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(encoded)) throw badRequest('error decoding token: illegal base64 data');
  return Buffer.from(xor(Buffer.from(encoded, 'base64'), Buffer.from(otp))).toString();
}
