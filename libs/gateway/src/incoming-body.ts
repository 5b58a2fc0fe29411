import type { IncomingMessage } from 'node:http';
import type { CancelTimer, Clock } from '@coffer/kernel';
import { RequestError } from '@coffer/sdk';
import type { BodyStream } from '@coffer/sdk';

/** A client that sends nothing for so long is given up, in milliseconds. */
const SILENCE_MS_MAX = 60_000;

/** A body as it comes in. What is left of it when its reader stops stays unread, so that there can still be an answer. */
export class IncomingBody implements BodyStream {
  readonly #message: IncomingMessage;
  readonly #clock: Clock;
  #begun = false;

  constructor(message: IncomingMessage, clock: Clock) {
    this.#message = message;
    this.#clock = clock;
  }

  get begun(): boolean {
    return this.#begun;
  }

  /** @throws RequestError `bad-request` when the client goes away; `standby` where it was read before */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    if (this.#begun) {
      throw new RequestError('standby', 'the active node changed while the body came in: send the request again', {
        retryAfterSeconds: 1,
      });
    }
    this.#begun = true;
    // Only while it is waited for: a reader may take its time.
    let cancel = this.#whileSilent();
    try {
      for await (const piece of this.#message.iterator({ destroyOnReturn: false })) {
        cancel();
        yield piece as Uint8Array;
        cancel = this.#whileSilent();
      }
    } catch (cause) {
      throw new RequestError('bad-request', 'the request body ended early', { cause });
    } finally {
      cancel();
    }
  }

  #whileSilent(): CancelTimer {
    return this.#clock.after(SILENCE_MS_MAX, () => this.#message.destroy(new Error('the client fell silent')));
  }
}

/** How long a client may go on to send what nobody wants any more, in milliseconds. */
const DRAIN_MS_MAX = 30_000;

/**
 * Takes in what is left of a body after the answer: a client that is still sending would not see an answer on a
 * connection that is closed at once.
 */
export function drain(message: IncomingMessage, clock: Clock): void {
  const cancel = clock.after(DRAIN_MS_MAX, () => message.destroy());
  message.once('close', cancel);
  message.resume();
}
