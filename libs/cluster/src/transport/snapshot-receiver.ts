import { createHash } from 'node:crypto';
import type { Clock, Log } from '@coffer/kernel';
import { AssertionFailure, equalInConstantTime } from '@coffer/kernel';
import type { Message, PeerId, SnapshotMeta } from 'raft-ts';
import type { Connection } from './connection.ts';
import { FrameType } from './frame.ts';
import type { LogGate } from './log-gate.ts';
import { ProtocolError } from './protocol-error.ts';
import { NO_BYTES } from './send-queue.ts';
import {
  BUFFERED_BYTES_MAX,
  CHUNK_BYTES_MAX,
  decodeSnapshotEnd,
  DIGEST,
  SnapshotTransferError,
} from './snapshot-frames.ts';

/** Longer than any `begin`: its message holds the membership. */
const PAYLOAD_BYTES_MAX = Math.max(CHUNK_BYTES_MAX, 1024 * 1024);

/** While a sender is waited for it is looked at so often, and given up after so many looks without anything new. */
const LOOK_EVERY_MS = 5000;
const STALLED_LOOKS = 12;

export type SnapshotListener = (from: PeerId, meta: SnapshotMeta, contents: AsyncIterable<Uint8Array>) => Promise<void>;

export interface SnapshotReceiverMeans {
  /** @throws ProtocolError unless it is a message that this caller may send */
  readonly decode: (payload: Uint8Array) => Message;
  readonly listener: SnapshotListener;
  readonly clock: Clock;
  readonly log: Log;
  readonly gate: LogGate;
  /** Once. */
  readonly onClose: () => void;
}

/** Receives one snapshot and tells the sender what came of it. */
export function receiveSnapshot(connection: Connection, nodeId: string, means: SnapshotReceiverMeans): void {
  let contents: IncomingContents | undefined;
  let idleLooks = 0;
  const stopLooking = means.clock.every(LOOK_EVERY_MS, () => {
    idleLooks = contents?.awaitsMore === false ? 0 : idleLooks + 1;
    if (idleLooks > STALLED_LOOKS) connection.destroy(new ProtocolError('a snapshot that does not go on'));
  });
  const finish = (type: number): void => {
    connection.send(type, NO_BYTES);
    connection.end();
  };
  const begin = (payload: Uint8Array): void => {
    const message = means.decode(payload);
    if (message.kind !== 'snapshot') throw new ProtocolError('a snapshot that begins with another message');
    const incoming = new IncomingContents(connection);
    contents = incoming;
    means.listener(message.from, message.snapshot, incoming).then(
      () => {
        if (incoming.verified) {
          finish(FrameType.snapshotInstalled);
          return;
        }
        means.log.error('a snapshot was installed before all of it had arrived', { nodeId });
        finish(FrameType.snapshotFailed);
      },
      (error: unknown) => {
        finish(FrameType.snapshotFailed);
        if (error instanceof AssertionFailure) throw error;
        if (means.gate.opens(`snapshot ${nodeId}`)) means.log.warn('could not install a snapshot', { nodeId, error });
      },
    );
  };
  connection.handOver(
    {
      onFrame(type, payload) {
        idleLooks = 0;
        if (contents === undefined && type === FrameType.snapshotBegin) begin(payload);
        else if (contents !== undefined && type === FrameType.snapshotChunk) contents.add(payload);
        else if (contents !== undefined && type === FrameType.snapshotEnd) contents.finish(payload);
        else throw new ProtocolError('a snapshot out of order');
      },
      onClose() {
        stopLooking();
        contents?.interrupt();
        means.onClose();
      },
    },
    PAYLOAD_BYTES_MAX,
  );
}

/**
 * What has arrived of a snapshot, to be read once. The connection is not read while much of it waits. The last piece
 * is handed out before all of them are known to be sound: only the end of the iteration says that they are.
 */
class IncomingContents implements AsyncIterable<Uint8Array> {
  readonly #connection: Connection;
  readonly #hash = createHash(DIGEST);
  #pieces: Uint8Array[] = [];
  #buffered = 0;
  #length = 0;
  #held = false;
  #ended = false;
  #abandoned = false;
  #failure: SnapshotTransferError | undefined;
  #wake: (() => void) | undefined;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Everything arrived as it was sent. */
  get verified(): boolean {
    return this.#ended && this.#failure === undefined;
  }

  /** Whether it is the sender's turn: what has arrived is being dealt with otherwise. */
  get awaitsMore(): boolean {
    return !this.#ended && !this.#held;
  }

  add(piece: Uint8Array): void {
    if (this.#ended) throw new ProtocolError('a snapshot goes on after its end');
    this.#hash.update(piece);
    this.#length += piece.length;
    if (this.#abandoned) return;
    this.#pieces.push(piece);
    this.#buffered += piece.length;
    if (this.#buffered > BUFFERED_BYTES_MAX && !this.#held) {
      this.#held = true;
      this.#connection.pause();
    }
    this.#notify();
  }

  finish(payload: Uint8Array): void {
    if (this.#ended) throw new ProtocolError('a snapshot that ends twice');
    const { length, digest } = decodeSnapshotEnd(payload);
    this.#ended = true;
    if (length !== BigInt(this.#length) || !equalInConstantTime(digest, this.#hash.digest())) {
      this.#fail('the snapshot is damaged');
    }
    this.#notify();
  }

  interrupt(): void {
    if (!this.#ended) this.#fail('the connection was lost');
    this.#notify();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void> {
    try {
      for (;;) {
        const pieces = this.#pieces;
        this.#pieces = [];
        for (const piece of pieces) {
          yield piece;
          this.#took(piece.length);
        }
        if (this.#failure !== undefined) throw this.#failure;
        if (this.#pieces.length > 0) continue;
        if (this.#ended) return;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    } finally {
      this.#abandon();
    }
  }

  #took(bytes: number): void {
    this.#buffered -= bytes;
    if (!this.#held || this.#buffered > BUFFERED_BYTES_MAX / 2) return;
    this.#held = false;
    this.#connection.resume();
  }

  /** Nobody reads any more: what follows is let through to find its end. */
  #abandon(): void {
    this.#abandoned = true;
    this.#pieces = [];
    if (this.#held) this.#connection.resume();
    this.#held = false;
  }

  #fail(message: string): void {
    this.#failure ??= new SnapshotTransferError(message);
  }

  #notify(): void {
    this.#wake?.();
    this.#wake = undefined;
  }
}
