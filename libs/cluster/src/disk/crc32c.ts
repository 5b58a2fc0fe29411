/** The CRC-32C polynomial (Castagnoli), reflected; LevelDB's checksums use it, and Node has only the other CRC-32. */
const POLYNOMIAL = 0x82f63b78;
/** LevelDB stores checksums rotated and shifted, so that a checksum of data with checksums in it stays a good one. */
const MASK_DELTA = 0xa282ead8;

/** Four tables, for four bytes at a time ("slicing-by-4", Kounavis and Berry, 2005). */
const TABLES = new Uint32Array(4 * 256);
for (let byte = 0; byte < 256; byte++) {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ POLYNOMIAL;
  TABLES[byte] = crc;
}
for (let at = 256; at < TABLES.length; at++) {
  const before = TABLES[at - 256] as number;
  TABLES[at] = (before >>> 8) ^ (TABLES[before & 0xff] as number);
}

/** The CRC-32C of bytes, as a whole number of 32 bits. */
export function crc32c(bytes: Uint8Array): number {
  const tables = TABLES;
  const { length } = bytes;
  let crc = 0xffffffff;
  let at = 0;
  for (; at + 4 <= length; at += 4) {
    crc ^=
      (bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24);
    crc =
      (tables[768 + (crc & 0xff)] as number) ^
      (tables[512 + ((crc >>> 8) & 0xff)] as number) ^
      (tables[256 + ((crc >>> 16) & 0xff)] as number) ^
      (tables[crc >>> 24] as number);
  }
  for (; at < length; at++) crc = (tables[(crc ^ (bytes[at] as number)) & 0xff] as number) ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** A checksum as LevelDB's files hold it. */
export function maskedCrc32c(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + MASK_DELTA) >>> 0;
}
