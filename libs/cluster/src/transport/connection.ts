import type { TLSSocket } from 'node:tls';
import type { CancelTimer, Clock } from '@coffer/kernel';
import { FrameReader, FrameType } from './frame.ts';
import { HELLO_BYTES_MAX } from './hello.ts';
import { ProtocolError } from './protocol-error.ts';
import { NO_BYTES, SendQueue } from './send-queue.ts';
import type { QueuedFrame } from './send-queue.ts';
import type { TransportLimits } from './transport-options.ts';

/** An end that was told goodbye has so long to go. */
const GOODBYE_MS = 1000;

/** So many frames of a connection are dealt with in a turn of the event loop, whatever comes: others have their turn, too. */
const FRAMES_PER_TURN = 32;

/** So many pings long an end may take nothing of what waits for it. */
const STUCK_PINGS_MAX = 60;

/** Who listens to a connection; a protocol takes over from the handshake by replacing it. */
export interface ConnectionHandler {
  /** @throws ProtocolError to end the connection */
  onFrame(type: number, payload: Uint8Array): void;
  /** Once, whatever the reason; nothing follows. `unsent` never left this process. */
  onClose(reason: Error | undefined, unsent: readonly QueuedFrame[]): void;
  /** Something was written and there may be room for more. */
  onDrained?(): void;
}

/**
 * Frames over one TLS connection. What the peer does wrong, and silence, end it; only what its own handler throws
 * beside `ProtocolError` is a defect of this program and goes on to the process.
 */
export class Connection {
  readonly #socket: TLSSocket;
  readonly #queue: SendQueue;
  readonly #reader: FrameReader;
  readonly #clock: Clock;
  readonly #cancelPing: CancelTimer;
  readonly #silentPingsMax: number;
  #handler: ConnectionHandler;
  #cancelGoodbye: CancelTimer | undefined;
  /** Pings due since the last byte. Counted rather than timed: when this process itself slept, one is due after it. */
  #silentPings = 0;
  /** Pings due since something was last written, while something waits to be. */
  #stuckPings = 0;
  #paused = false;
  /** Whether something was read in this turn of the event loop. */
  #inTurn = false;
  /** What was read and is left for the next turn. */
  #rest: Buffer | undefined;
  #closed = false;
  #reason: Error | undefined;

  constructor(socket: TLSSocket, clock: Clock, limits: TransportLimits, handler: ConnectionHandler) {
    this.#socket = socket;
    this.#clock = clock;
    this.#handler = handler;
    this.#silentPingsMax = limits.silentPingsMax;
    this.#reader = new FrameReader(HELLO_BYTES_MAX, (type, payload) => {
      if (type !== FrameType.ping) this.#handler.onFrame(type, payload);
    });
    this.#reader.framesLeft = FRAMES_PER_TURN;
    this.#queue = new SendQueue(socket, () => {
      this.#stuckPings = 0;
      this.#handler.onDrained?.();
    });
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 5000);
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    socket.on('error', (error) => this.destroy(error));
    socket.on('end', () => this.destroy());
    socket.on('close', () => this.destroy());
    this.#cancelPing = clock.every(limits.pingMs, () => this.#onPing());
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Bytes that wait for the socket. */
  get queuedBytes(): number {
    return this.#queue.bytes;
  }

  get remoteAddress(): string {
    return this.#socket.remoteAddress ?? 'unknown';
  }

  /** After the handshake: whose frames these are from now on and how long they may be. */
  handOver(handler: ConnectionHandler, payloadBytesMax: number): void {
    this.#handler = handler;
    this.#reader.payloadBytesMax = payloadBytesMax;
  }

  send(type: number, head: Uint8Array, body: Uint8Array = NO_BYTES): void {
    this.#queue.push(type, head, body);
  }

  /** Drops the oldest frames that wait, beyond so many bytes; returns how many. */
  dropOldest(bytesMax: number): number {
    return this.#queue.dropOldest(bytesMax);
  }

  /** Stops reading, so that the peer is held up by TCP. It may be silent meanwhile. */
  pause(): void {
    this.#paused = true;
    // Nor is what was read already dealt with.
    this.#reader.framesLeft = 0;
    this.#socket.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#silentPings = 0;
    if (this.#rest === undefined) this.#socket.resume();
    else this.#beginTurn();
  }

  /** Writes what waits and closes. */
  end(): void {
    if (this.#closed) return;
    this.#cancelGoodbye ??= this.#clock.after(GOODBYE_MS, () => this.destroy());
    this.#queue.finish(() => this.#socket.end());
  }

  /** Closes at once and tells the handler. Does nothing the second time. */
  destroy(reason?: Error): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#reason = reason;
    this.#cancelPing();
    this.#cancelGoodbye?.();
    this.#reader.stop();
    this.#rest = undefined;
    const unsent = this.#queue.close();
    this.#socket.destroy();
    this.#handler.onClose(this.#reason, unsent);
  }

  #onData(chunk: Buffer): void {
    if (this.#closed) return;
    this.#silentPings = 0;
    this.#beginTurn();
    try {
      const used = this.#reader.push(chunk);
      if (used === chunk.length) return;
      this.#rest = chunk.subarray(used);
      this.#socket.pause();
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.destroy(error);
    }
  }

  #beginTurn(): void {
    if (this.#inTurn) return;
    this.#inTurn = true;
    setImmediate(() => this.#endTurn());
  }

  #endTurn(): void {
    this.#inTurn = false;
    this.#reader.framesLeft = FRAMES_PER_TURN;
    const rest = this.#rest;
    if (rest === undefined || this.#paused) return;
    this.#rest = undefined;
    this.#onData(rest);
    if (this.#rest === undefined && !this.#paused && !this.#closed) this.#socket.resume();
  }

  #onPing(): void {
    this.#silentPings = this.#paused ? 0 : this.#silentPings + 1;
    this.#stuckPings = this.#queue.busy ? this.#stuckPings + 1 : 0;
    if (this.#silentPings > this.#silentPingsMax) {
      this.destroy(new ProtocolError('the peer fell silent'));
    } else if (this.#stuckPings > STUCK_PINGS_MAX) {
      this.destroy(new ProtocolError('the peer takes nothing'));
    } else if (!this.#queue.busy) {
      // What waits says as much; and for a peer that does not read, pings would only pile up.
      this.send(FrameType.ping, NO_BYTES);
    }
  }
}
