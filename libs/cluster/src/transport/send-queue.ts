import type { Writable } from 'node:stream';
import { FRAME_HEADER_BYTES } from './frame.ts';

/** A write takes frames until it is so long; so much is handed to the socket at a time. */
const BATCH_BYTES = 256 * 1024;
const LENGTH_BYTES = 4;
export const NO_BYTES = new Uint8Array(0);

/** In the place of a frame that is gone. */
const TAKEN: QueuedFrame = { type: 0, head: NO_BYTES, body: NO_BYTES };

/** A frame that waits to be written; its payload is `head` and then `body`. */
export interface QueuedFrame {
  readonly type: number;
  readonly head: Uint8Array;
  readonly body: Uint8Array;
}

/**
 * Frames on their way to a socket. Those of one turn of the event loop go out as one write, and so do those that
 * gather while a write is under way: under load the batches grow by themselves.
 */
export class SendQueue {
  readonly #socket: Writable;
  readonly #onDrained: () => void;
  #frames: QueuedFrame[] = [];
  /** Where the queue begins in `#frames`. */
  #first = 0;
  #bytes = 0;
  #writing = false;
  #scheduled = false;
  #closed = false;
  #finish: (() => void) | undefined;

  /** @param onDrained called whenever a write is done, when frames may be added again */
  constructor(socket: Writable, onDrained: () => void) {
    this.#socket = socket;
    this.#onDrained = onDrained;
  }

  /** Bytes that are not yet handed to the socket. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether something waits, or is being written. */
  get busy(): boolean {
    return this.#writing || this.#bytes > 0;
  }

  push(type: number, head: Uint8Array, body: Uint8Array): void {
    if (this.#closed) return;
    this.#frames.push({ type, head, body });
    this.#bytes += FRAME_HEADER_BYTES + head.length + body.length;
    this.#schedule();
  }

  /** Throws the oldest frames away, but for the newest, until at most `bytesMax` wait. Returns how many that were. */
  dropOldest(bytesMax: number): number {
    let dropped = 0;
    while (this.#bytes > bytesMax && this.#first < this.#frames.length - 1) {
      this.#take();
      dropped += 1;
    }
    return dropped;
  }

  /** Nothing more is written. Returns the frames that never reached the socket. */
  close(): QueuedFrame[] {
    this.#closed = true;
    const unsent = this.#frames.slice(this.#first);
    this.#frames = [];
    this.#first = 0;
    this.#bytes = 0;
    return unsent;
  }

  /** Calls `done` when all is written. */
  finish(done: () => void): void {
    this.#finish = done;
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled || this.#writing) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#writing || this.#closed) return;
    if (this.#first === this.#frames.length) {
      this.#finish?.();
      return;
    }
    const batch = this.#nextBatch();
    this.#writing = true;
    this.#socket.write(batch, (error) => {
      this.#writing = false;
      if (error !== null && error !== undefined) return;
      this.#onDrained();
      if (this.#bytes > 0 || this.#finish !== undefined) this.#flush();
    });
  }

  #nextBatch(): Buffer {
    let length = 0;
    let end = this.#first;
    for (; end < this.#frames.length && length < BATCH_BYTES; end++) {
      const frame = this.#frames[end] as QueuedFrame;
      length += FRAME_HEADER_BYTES + frame.head.length + frame.body.length;
    }
    const batch = Buffer.allocUnsafe(length);
    let offset = 0;
    for (let count = end - this.#first; count > 0; count--) {
      const { type, head, body } = this.#take();
      batch.writeUInt32BE(FRAME_HEADER_BYTES - LENGTH_BYTES + head.length + body.length, offset);
      batch[offset + LENGTH_BYTES] = type;
      batch.set(head, offset + FRAME_HEADER_BYTES);
      batch.set(body, offset + FRAME_HEADER_BYTES + head.length);
      offset += FRAME_HEADER_BYTES + head.length + body.length;
    }
    return batch;
  }

  #take(): QueuedFrame {
    const frame = this.#frames[this.#first] as QueuedFrame;
    // Not held until the array is cut: a frame may be long.
    this.#frames[this.#first] = TAKEN;
    this.#first += 1;
    this.#bytes -= FRAME_HEADER_BYTES + frame.head.length + frame.body.length;
    if (this.#first === this.#frames.length) {
      this.#frames = [];
      this.#first = 0;
    } else if (this.#first > 1024 && this.#first * 2 > this.#frames.length) {
      this.#frames = this.#frames.slice(this.#first);
      this.#first = 0;
    }
    return frame;
  }
}
