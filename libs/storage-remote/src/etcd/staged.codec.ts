/** A change of one key: its value, or undefined where it is deleted. */
export type Change = readonly [key: string, value: Uint8Array | undefined];

/** In the place of a value's length: the key is deleted. */
const DELETED = 0xffff_ffff;

/**
 * Changes as bytes: for each the length of the key (4 bytes, big endian), the key, the length of the value (4; all ones
 * where it is deleted), the value.
 */
export function encodeChanges(changes: readonly Change[]): Buffer {
  const parts: Uint8Array[] = [];
  for (const [key, value] of changes) {
    const keyBytes = Buffer.from(key);
    const lengths = Buffer.alloc(8);
    lengths.writeUInt32BE(keyBytes.length, 0);
    lengths.writeUInt32BE(value === undefined ? DELETED : value.length, 4);
    parts.push(lengths.subarray(0, 4), keyBytes, lengths.subarray(4), ...(value === undefined ? [] : [value]));
  }
  return Buffer.concat(parts);
}

/** @throws RangeError if the bytes are none */
export function decodeChanges(bytes: Buffer): Change[] {
  const changes: Change[] = [];
  let at = 0;
  const take = (length: number): Buffer => {
    if (at + length > bytes.length) throw new RangeError('staged changes are cut off');
    at += length;
    return bytes.subarray(at - length, at);
  };
  while (at < bytes.length) {
    const key = take(take(4).readUInt32BE(0)).toString();
    const length = take(4).readUInt32BE(0);
    changes.push([key, length === DELETED ? undefined : take(length)]);
  }
  return changes;
}

/** Splits changes, in their order, so that none of the parts has more bytes or keys than asked for, unless it is one. */
export function portions(changes: Iterable<Change>, bytesMax: number, keysMax: number): Change[][] {
  const parts: Change[][] = [];
  let part: Change[] = [];
  let bytes = 0;
  for (const change of changes) {
    const size = 8 + Buffer.byteLength(change[0]) + (change[1]?.length ?? 0);
    if (part.length > 0 && (bytes + size > bytesMax || part.length >= keysMax)) {
      parts.push(part);
      part = [];
      bytes = 0;
    }
    part.push(change);
    bytes += size;
  }
  if (part.length > 0) parts.push(part);
  return parts;
}
