import type { Clock, Random } from '@coffer/kernel';
import type { ForwardChannel } from '@coffer/cluster';
import type { BodyStream } from '@coffer/sdk';
import type { NodeAddress } from '@coffer/storage';

/** Where a body can be fetched. */
export interface StreamRef {
  readonly id: string;
  readonly node: NodeAddress;
}

const NEXT = 'body/next';
const END = 'body/end';

/** Pieces are gathered until there are about so many bytes. */
const PIECE_BYTES = 256 << 10;
/** A body that nobody asks for any more is given up after so long, in milliseconds. */
const IDLE_MS_MAX = 60_000;

const LAST = 0;
const MORE = 1;

interface Offered {
  readonly to: string;
  readonly pieces: AsyncIterator<Uint8Array>;
  cancelIdle: () => void;
}

/**
 * Bodies that go from node to node piece by piece: who has one offers it, and the other asks for the next piece when it
 * has dealt with the last, so that neither holds more than one.
 */
export class BodyStreams {
  readonly #channel: ForwardChannel;
  readonly #self: NodeAddress;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #offered = new Map<string, Offered>();

  constructor(channel: ForwardChannel, self: NodeAddress, clock: Clock, random: Random) {
    this.#channel = channel;
    this.#self = self;
    this.#clock = clock;
    this.#random = random;
    channel.serve(NEXT, (payload, from) => this.#next(textOf(payload), from));
    channel.serve(END, async (payload, from) => {
      await this.#end(textOf(payload), from);
      return new Uint8Array(0);
    });
  }

  /** @param to the node that may ask for it */
  offer(body: AsyncIterable<Uint8Array>, to: string): StreamRef {
    const id = this.#random.uuid();
    const pieces = lazily(body);
    this.#offered.set(id, { to, pieces, cancelIdle: this.#idle(id, to) });
    return { id, node: this.#self };
  }

  /** Asks the other node for the pieces as they are read. @throws ForwardError */
  fetch(ref: StreamRef, signal: AbortSignal): BodyStream {
    const channel = this.#channel;
    const payload = Buffer.from(ref.id);
    return {
      begun: false,
      async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
        let whole = false;
        try {
          while (!whole) {
            const piece = await channel.call(ref.node, NEXT, payload, signal);
            whole = piece[0] === LAST;
            if (piece.length > 1) yield piece.subarray(1);
          }
        } finally {
          // It forgets by itself what it can no longer be told about.
          if (!whole) channel.call(ref.node, END, payload, signal).catch(() => undefined);
        }
      },
    };
  }

  #idle(id: string, to: string): () => void {
    // Nobody reads it any more: nobody is left to be told how closing its source went.
    return this.#clock.after(IDLE_MS_MAX, () => void this.#end(id, to).catch(() => undefined));
  }

  async #next(id: string, from: string): Promise<Uint8Array> {
    const offered = this.#offered.get(id);
    if (offered?.to !== from) throw new Error('a body that is not offered');
    offered.cancelIdle();
    const gathered: Uint8Array[] = [Uint8Array.of(MORE)];
    let bytes = 0;
    try {
      while (bytes < PIECE_BYTES) {
        const piece = await offered.pieces.next();
        if (piece.done === true) {
          this.#offered.delete(id);
          gathered[0] = Uint8Array.of(LAST);
          return Buffer.concat(gathered);
        }
        gathered.push(piece.value);
        bytes += piece.value.length;
      }
    } catch (error) {
      this.#offered.delete(id);
      throw error;
    }
    offered.cancelIdle = this.#idle(id, from);
    return Buffer.concat(gathered);
  }

  async #end(id: string, from: string): Promise<void> {
    const offered = this.#offered.get(id);
    if (offered?.to !== from) return;
    this.#offered.delete(id);
    offered.cancelIdle();
    await offered.pieces.return?.();
  }
}

/** Begins to read when the first piece is asked for; until then it can still be read by another. */
function lazily(body: AsyncIterable<Uint8Array>): AsyncIterator<Uint8Array> {
  let iterator: AsyncIterator<Uint8Array> | undefined;
  const begun = (): AsyncIterator<Uint8Array> => (iterator ??= body[Symbol.asyncIterator]());
  return {
    next: () => begun().next(),
    return: async () => (await begun().return?.()) ?? { done: true, value: undefined },
  };
}

const textOf = (payload: Uint8Array): string => Buffer.from(payload).toString('latin1');
