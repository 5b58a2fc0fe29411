import { ProtocolError } from './protocol-error.ts';

/**
 * What goes over the cluster port, inside TLS: frames of a length (four bytes, big endian, of what follows it), a type
 * (one byte) and a payload. The first frame in each direction is `hello` (or `refusal` and the end). Which others may
 * come depends on the protocol that was agreed on by ALPN, see `Protocol`.
 */
export const FrameType = {
  hello: 0x01,
  refusal: 0x02,
  /** Says only that this end lives; never answered. */
  ping: 0x03,
  message: 0x10,
  request: 0x20,
  response: 0x21,
  failure: 0x22,
  cancel: 0x23,
  snapshotBegin: 0x30,
  snapshotChunk: 0x31,
  snapshotEnd: 0x32,
  snapshotInstalled: 0x33,
  snapshotFailed: 0x34,
} as const;

/**
 * Each protocol has connections of its own, so that TCP's flow control holds up a snapshot and not the heartbeats:
 * raft messages go from the dialling end to the other; forwarded requests one way and their answers back; and a
 * connection for each snapshot.
 */
export const PROTOCOLS = ['coffer-raft/1', 'coffer-forward/1', 'coffer-snapshot/1'] as const;
export type Protocol = (typeof PROTOCOLS)[number];

/** Bytes before the payload. */
export const FRAME_HEADER_BYTES = 5;
const LENGTH_BYTES = 4;

/** Cuts a stream of bytes into frames. Holds at most one frame's bytes that really arrived, whatever a header claims. */
export class FrameReader {
  readonly #onFrame: (type: number, payload: Uint8Array) => void;
  /** The longest payload accepted from now on, in bytes. */
  payloadBytesMax: number;
  /** So many more frames are told; what follows them is not used. */
  framesLeft = Infinity;
  #partial: Buffer = Buffer.alloc(0);
  #have = 0;
  #stopped = false;

  constructor(payloadBytesMax: number, onFrame: (type: number, payload: Uint8Array) => void) {
    this.payloadBytesMax = payloadBytesMax;
    this.#onFrame = onFrame;
  }

  /** Nothing more is told, not even of the piece that is being read. */
  stop(): void {
    this.#stopped = true;
    this.#partial = Buffer.alloc(0);
    this.#have = 0;
  }

  /**
   * @returns how much of the piece was used: all of it, unless `framesLeft` came to an end
   * @throws ProtocolError where a frame is empty or longer than allowed
   */
  push(chunk: Buffer): number {
    let offset = 0;
    while (this.#have > 0 && offset < chunk.length && this.#goesOn) offset = this.#complete(chunk, offset);
    while (this.#goesOn && chunk.length - offset >= FRAME_HEADER_BYTES) {
      const length = this.#lengthAt(chunk, offset);
      const end = offset + LENGTH_BYTES + length;
      if (end > chunk.length) break;
      this.framesLeft -= 1;
      this.#onFrame(chunk[offset + LENGTH_BYTES] as number, chunk.subarray(offset + FRAME_HEADER_BYTES, end));
      offset = end;
    }
    if (this.#stopped) return chunk.length;
    if (this.framesLeft <= 0) return offset;
    if (offset < chunk.length) this.#keep(chunk, offset, chunk.length);
    return chunk.length;
  }

  get #goesOn(): boolean {
    return !this.#stopped && this.framesLeft > 0;
  }

  /** Adds to the frame begun earlier; returns up to where the piece was used. */
  #complete(chunk: Buffer, offset: number): number {
    const headerKnown = this.#have >= FRAME_HEADER_BYTES;
    const need = headerKnown ? LENGTH_BYTES + this.#lengthAt(this.#partial, 0) : FRAME_HEADER_BYTES;
    const end = Math.min(chunk.length, offset + need - this.#have);
    this.#keep(chunk, offset, end);
    if (this.#have < FRAME_HEADER_BYTES) return end;
    const whole = LENGTH_BYTES + this.#lengthAt(this.#partial, 0);
    if (this.#have < whole) return end;
    const frame = this.#partial.subarray(0, whole);
    this.#partial = Buffer.alloc(0);
    this.#have = 0;
    this.framesLeft -= 1;
    this.#onFrame(frame[LENGTH_BYTES] as number, frame.subarray(FRAME_HEADER_BYTES));
    return end;
  }

  /** The buffer doubles with what arrives and never follows a mere claim. */
  #keep(chunk: Buffer, from: number, to: number): void {
    const have = this.#have + to - from;
    if (have > this.#partial.length) {
      const longest = FRAME_HEADER_BYTES + this.payloadBytesMax;
      const grown = Buffer.allocUnsafeSlow(Math.max(have, Math.min(2 * this.#partial.length, longest)));
      this.#partial.copy(grown, 0, 0, this.#have);
      this.#partial = grown;
    }
    chunk.copy(this.#partial, this.#have, from, to);
    this.#have = have;
  }

  #lengthAt(buffer: Buffer, offset: number): number {
    const length = buffer.readUInt32BE(offset);
    if (length === 0) throw new ProtocolError('an empty frame');
    if (length - 1 > this.payloadBytesMax) throw new ProtocolError('a frame that is too long');
    return length;
  }
}
