import type { Request } from '@coffer/sdk';
import { ForwardFailure } from './forward-failure.ts';

/** How many requests wait for a leader at a time, and how long their bodies are together, in bytes. */
const REQUESTS_MAX = 4096;
const BYTES_MAX = 64 * 1024 * 1024;

/** Requests that wait for a leader. Bounded: while there is none, clients keep coming. */
export class WaitingRoom {
  #requests = 0;
  #bytes = 0;

  /** @throws ForwardFailure `busy` */
  enter(request: Request): void {
    const bytes = request.rawBody?.length ?? 0;
    if (this.#requests >= REQUESTS_MAX || (this.#requests > 0 && this.#bytes + bytes > BYTES_MAX))
      throw new ForwardFailure('busy', 'too many requests wait for a leader');
    this.#requests++;
    this.#bytes += bytes;
  }

  leave(request: Request): void {
    this.#requests--;
    this.#bytes -= request.rawBody?.length ?? 0;
  }
}
