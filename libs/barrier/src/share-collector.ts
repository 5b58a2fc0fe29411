import { Secret, equalInConstantTime, wipe } from '@coffer/kernel';
import type { Random } from '@coffer/kernel';
import { BarrierError } from './barrier.ts';
import { KEY_BYTES } from './keyring.ts';
import { combine } from './shamir/shamir.ts';
import type { SealConfig } from './seal-config.ts';

/** Shares of one attempt, given one by one, until they are enough. */
export class ShareCollector {
  readonly #shares: Uint8Array[] = [];
  readonly #random: Random;
  #nonce = '';

  constructor(random: Random) {
    this.#random = random;
  }

  get progress(): number {
    return this.#shares.length;
  }

  /** Names the attempt while there are shares. */
  get nonce(): string {
    return this.#nonce;
  }

  /**
   * Takes a share. Giving the same one again changes nothing.
   *
   * @returns the key, as soon as there are enough; the attempt is over then
   * @throws BarrierError `invalid-share`
   */
  add(share: Secret<Uint8Array>, config: SealConfig): Secret<Uint8Array> | undefined {
    const bytes = share.reveal();
    const expected = config.threshold === 1 ? KEY_BYTES : KEY_BYTES + 1;
    if (bytes.length !== expected) {
      throw new BarrierError('invalid-share', `a key share has ${String(expected)} bytes, got ${String(bytes.length)}`);
    }
    if (this.#shares.some((given) => equalInConstantTime(given, bytes))) return undefined;
    if (this.#shares.length === 0) this.#nonce = this.#random.uuid();
    this.#shares.push(new Uint8Array(bytes));
    if (this.#shares.length < config.threshold) return undefined;
    try {
      return new Secret(config.threshold === 1 ? new Uint8Array(bytes) : combine(this.#shares));
    } finally {
      this.reset();
    }
  }

  reset(): void {
    for (const share of this.#shares.splice(0)) wipe(share);
    this.#nonce = '';
  }
}
