import type { FileHandle } from 'node:fs/promises';
import { maskedCrc32c } from './crc32c.ts';

/** LevelDB's tables end with it (`doc/table_format.md` of LevelDB). */
const FOOTER_BYTES = 48;
const MAGIC_LOW = 0x8b80fb57;
const MAGIC_HIGH = 0xdb477524;
/** Behind each block: how it is compressed (1) and its checksum (4). */
const TRAILER_BYTES = 5;
/** A block is never larger than the largest value and a little, so that a damaged length does not ask for all memory. */
const BLOCK_BYTES_MAX = 128 << 20;

interface BlockPlace {
  readonly offset: number;
  readonly size: number;
}

/** How a table is damaged: for the operator, without data. */
export class TableDamage extends Error {
  override readonly name = 'TableDamage';
}

/**
 * Verifies the checksums of a whole table of LevelDB, which checks them nowhere by itself.
 *
 * @param rest called after each block with its bytes: the place to rest, so that nothing else waits long
 * @throws TableDamage; errors of the file system as they are
 */
export async function verifyTable(file: FileHandle, rest: (bytes: number) => Promise<void>): Promise<void> {
  const { size } = await file.stat();
  if (size < FOOTER_BYTES) throw new TableDamage('it is cut short');
  const footer = await read(file, size - FOOTER_BYTES, FOOTER_BYTES);
  if (footer.readUInt32LE(40) !== MAGIC_LOW || footer.readUInt32LE(44) !== MAGIC_HIGH) {
    throw new TableDamage('it does not end as a table does');
  }
  const reader = new Varints(footer.subarray(0, 40));
  const metaIndex = reader.place();
  const index = reader.place();
  const limit = size - FOOTER_BYTES;
  await verifyBlock(file, metaIndex, limit);
  for (const place of entriesOf(await verifyBlock(file, index, limit))) {
    await verifyBlock(file, place, limit);
    await rest(place.size);
  }
}

async function verifyBlock(file: FileHandle, { offset, size }: BlockPlace, limit: number): Promise<Buffer> {
  if (size > BLOCK_BYTES_MAX || offset + size + TRAILER_BYTES > limit) {
    throw new TableDamage('its index points outside of it');
  }
  const bytes = await read(file, offset, size + TRAILER_BYTES);
  if (bytes.readUInt32LE(size + 1) !== maskedCrc32c(bytes.subarray(0, size + 1))) {
    throw new TableDamage("a block's checksum does not match");
  }
  return bytes.subarray(0, size);
}

/** The places that an index block lists: entries of shared, unshared and value length, then the key's rest, the value. */
function entriesOf(block: Buffer): BlockPlace[] {
  if (block.length < 4) throw new TableDamage('its index is cut short');
  const restarts = block.readUInt32LE(block.length - 4);
  const end = block.length - 4 * (restarts + 1);
  if (end < 0) throw new TableDamage('its index is cut short');
  const places: BlockPlace[] = [];
  const reader = new Varints(block.subarray(0, end));
  while (!reader.atEnd) {
    reader.next();
    const keyBytes = reader.next();
    const valueBytes = reader.next();
    reader.skip(keyBytes);
    places.push(new Varints(reader.take(valueBytes)).place());
  }
  return places;
}

async function read(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  const { bytesRead } = await file.read(buffer, 0, length, position);
  if (bytesRead !== length) throw new TableDamage('it is cut short');
  return buffer;
}

/** Reads LevelDB's varints: seven bits a byte, lowest first. */
class Varints {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  next(): number {
    let value = 0;
    for (let scale = 1; scale <= Number.MAX_SAFE_INTEGER; scale *= 128) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) break;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    throw new TableDamage('a length in it is damaged');
  }

  place(): BlockPlace {
    return { offset: this.next(), size: this.next() };
  }

  take(length: number): Buffer {
    const taken = this.#bytes.subarray(this.#at, this.#at + length);
    if (taken.length !== length) throw new TableDamage('its index is damaged');
    this.#at += length;
    return taken;
  }

  skip(length: number): void {
    this.take(length);
  }
}
