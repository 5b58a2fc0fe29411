import { CodecError } from './codec-error.ts';

const SAFE_BITS = 53;
const BITS_A_BYTE = 7;

/**
 * Takes the binary form apart. All methods throw a `CodecError` at the first byte that is not what it should be, and
 * none reads beyond the end or allocates more than the input has.
 */
export class ByteReader {
  readonly #buffer: Uint8Array;
  #at = 0;

  constructor(buffer: Uint8Array) {
    this.#buffer = buffer;
  }

  get left(): number {
    return this.#buffer.length - this.#at;
  }

  byte(): number {
    const value = this.#buffer[this.#at];
    if (value === undefined) throw new CodecError('ends early');
    this.#at++;
    return value;
  }

  flag(): boolean {
    const value = this.byte();
    if (value > 1) throw new CodecError('a flag is 0 or 1');
    return value === 1;
  }

  /** A safe integer of at least 0, in its shortest form. */
  varint(): number {
    let value = 0;
    for (let bits = 0; bits < SAFE_BITS; bits += BITS_A_BYTE) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** bits;
      if (byte >= 0x80) continue;
      if (byte === 0 && bits > 0) throw new CodecError('a number is written in its shortest form');
      if (!Number.isSafeInteger(value)) throw new CodecError('a number is a safe integer');
      return value;
    }
    throw new CodecError('a number has at most eight bytes');
  }

  /** A number of things to come, of at least `bytesEach` bytes. */
  count(bytesEach: number): number {
    const count = this.varint();
    if (count * bytesEach > this.left) throw new CodecError('ends early');
    return count;
  }

  /** Length and contents, which stay part of the input. */
  bytes(): Uint8Array {
    const length = this.count(1);
    const { buffer, byteOffset } = this.#buffer;
    const view = new Uint8Array(buffer, byteOffset + this.#at, length);
    this.#at += length;
    return view;
  }

  end(): void {
    if (this.left > 0) throw new CodecError('goes on after its end');
  }
}
