import type { ServerResponse } from 'node:http';

/** How many bytes of bodies a node holds for requests that are not answered yet. */
const BYTES_MAX = 256 * 1024 * 1024;

/**
 * The bodies of all requests that are not answered yet, together. Each is bounded by its listener; without a bound on
 * the sum, a flood of connections would still fill the memory. One that is longer than the bound goes alone.
 */
export class BodyBudget {
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(bytesMax = BYTES_MAX) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** For one request; what it takes is given back when its answer is sent or its client gone. */
  share(response: ServerResponse): BodyShare {
    const share: BodyShare = { budget: this, bytes: 0 };
    response.once('close', () => {
      this.#bytes -= share.bytes;
      share.bytes = 0;
    });
    return share;
  }

  /** @returns false where it would be too much; nothing is taken then */
  take(share: BodyShare, bytes: number): boolean {
    if (this.#bytes > share.bytes && this.#bytes + bytes > this.#bytesMax) return false;
    this.#bytes += bytes;
    share.bytes += bytes;
    return true;
  }
}

/** What one request has of the budget. */
export interface BodyShare {
  readonly budget: BodyBudget;
  bytes: number;
}
