import { createHash } from 'node:crypto';
import type { NodeAddress } from '@coffer/storage';
import type { Connection } from './connection.ts';
import { dial } from './dial.ts';
import type { DialMeans } from './dial.ts';
import { FrameType } from './frame.ts';
import { HELLO_BYTES_MAX } from './hello.ts';
import { ProtocolError } from './protocol-error.ts';
import { NO_BYTES } from './send-queue.ts';
import {
  BUFFERED_BYTES_MAX,
  CHUNK_BYTES_MAX,
  DIGEST,
  encodeSnapshotEnd,
  SnapshotTransferError,
} from './snapshot-frames.ts';

/** A receiver that takes nothing for so long is given up. */
const STALLED_MS = 60_000;

/** One snapshot on its way to one node, over a connection of its own. */
export class SnapshotSender {
  readonly #means: DialMeans;
  #connection: Connection | undefined;
  #failure: SnapshotTransferError | undefined;
  #installed = false;
  /** Resolves a wait for something to happen: room, an answer, or the end. */
  #wake: (() => void) | undefined;
  #giveUp: (() => void) | undefined;

  constructor(means: DialMeans) {
    this.#means = means;
  }

  /**
   * Sends it all and waits until the receiver has it on its disk. Reads `contents` only as fast as they go out, and
   * ends it when the transfer fails.
   *
   * @param begin the encoded raft message that it belongs to
   * @throws SnapshotTransferError, or what `contents` throws
   */
  async send(target: NodeAddress, begin: Uint8Array, contents: AsyncIterable<Uint8Array>): Promise<void> {
    const connection = await this.#connect(target);
    try {
      connection.send(FrameType.snapshotBegin, begin);
      const hash = createHash(DIGEST);
      let length = 0;
      for await (const piece of contents) {
        hash.update(piece);
        length += piece.length;
        for (let offset = 0; offset < piece.length; offset += CHUNK_BYTES_MAX) {
          connection.send(FrameType.snapshotChunk, NO_BYTES, piece.subarray(offset, offset + CHUNK_BYTES_MAX));
          if (connection.queuedBytes > BUFFERED_BYTES_MAX) await this.#room(connection);
        }
        if (this.#failure !== undefined) throw this.#failure;
      }
      connection.send(FrameType.snapshotEnd, encodeSnapshotEnd(length, hash.digest()));
      while (!this.#installed && this.#failure === undefined) await this.#something();
      if (this.#failure !== undefined) throw this.#failure;
    } finally {
      connection.destroy();
    }
  }

  /** Ends the transfer; `send` throws. */
  abort(): void {
    this.#fail('the cluster port is closed');
    this.#giveUp?.();
    this.#connection?.destroy();
  }

  #connect(target: NodeAddress): Promise<Connection> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) {
        reject(this.#failure);
        return;
      }
      const cancel = dial(target, 'coffer-snapshot/1', this.#means, {
        onReady: (connection) => {
          this.#connection = connection;
          this.#takeOver(connection);
          resolve(connection);
        },
        onFailed: (error) =>
          reject(new SnapshotTransferError(`cannot reach the peer: ${error.message}`, { cause: error })),
      });
      this.#giveUp = () => {
        cancel();
        reject(new SnapshotTransferError('the cluster port is closed'));
      };
    });
  }

  #takeOver(connection: Connection): void {
    connection.handOver(
      {
        onFrame: (type) => {
          if (type === FrameType.snapshotInstalled) this.#installed = true;
          else if (type === FrameType.snapshotFailed) this.#fail('the peer could not install the snapshot');
          else throw new ProtocolError('a frame of another protocol');
          this.#notify();
        },
        onClose: () => {
          if (!this.#installed) this.#fail('the connection was lost');
          this.#notify();
        },
        onDrained: () => this.#notify(),
      },
      HELLO_BYTES_MAX,
    );
  }

  async #room(connection: Connection): Promise<void> {
    let stalledAt = connection.queuedBytes;
    while (connection.queuedBytes > BUFFERED_BYTES_MAX / 2 && this.#failure === undefined) {
      const cancel = this.#means.clock.after(STALLED_MS, () => {
        if (connection.queuedBytes < stalledAt) return;
        this.#fail('the peer takes nothing');
        connection.destroy();
      });
      await this.#something();
      cancel();
      stalledAt = connection.queuedBytes;
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  #something(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #notify(): void {
    this.#wake?.();
    this.#wake = undefined;
  }

  #fail(message: string): void {
    this.#failure ??= new SnapshotTransferError(message);
  }
}
