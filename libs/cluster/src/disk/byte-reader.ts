import { StorageError } from '@coffer/storage';

/** Reads what a `ByteWriter` wrote. What it reads may be damaged or hostile: everything is checked against the end. */
export class ByteReader {
  readonly #buffer: Buffer;
  readonly #what: string;
  #offset = 0;

  /** @param what names the thing in the error, e.g. `log entry` */
  constructor(bytes: Uint8Array, what: string) {
    this.#buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#what = what;
  }

  get offset(): number {
    return this.#offset;
  }

  get remaining(): number {
    return this.#buffer.length - this.#offset;
  }

  /** @throws StorageError `corrupt`, as all of these */
  byte(): number {
    this.#need(1);
    return this.#buffer[this.#offset++] as number;
  }

  varint(): number {
    let value = 0;
    let scale = 1;
    for (let count = 0; count < 8; count++) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (!Number.isSafeInteger(value)) throw this.damaged();
        return value;
      }
      scale *= 0x80;
    }
    throw this.damaged();
  }

  uint32(): number {
    this.#need(4);
    const value = this.#buffer.readUInt32LE(this.#offset);
    this.#offset += 4;
    return value;
  }

  /** A view into what is read, not a copy. */
  raw(length: number): Uint8Array {
    this.#need(length);
    this.#offset += length;
    return this.#buffer.subarray(this.#offset - length, this.#offset);
  }

  bytes(): Uint8Array {
    return this.raw(this.varint());
  }

  text(): string {
    const length = this.varint();
    this.#need(length);
    this.#offset += length;
    return this.#buffer.toString('utf8', this.#offset - length, this.#offset);
  }

  /** That nothing is left over. */
  end(): void {
    if (this.remaining !== 0) throw this.damaged();
  }

  damaged(): StorageError {
    return new StorageError('corrupt', `damaged ${this.#what}`);
  }

  #need(length: number): void {
    if (length > this.#buffer.length - this.#offset) throw this.damaged();
  }
}
