import { ProtocolError } from './protocol-error.ts';

/*
 * begin      a raft `snapshot` message, encoded: sender, receiver, term and what the snapshot stands for
 * chunk      contents, in order
 * end        length of all contents (8 bytes, big endian), their SHA-256 (32 bytes)
 * installed  (the receiver) all is well and on the disk
 * failed     (the receiver) it is not
 */
export const CHUNK_BYTES_MAX = 64 * 1024;
/** Contents that wait on either side; beyond it the source, or the sender, is held up. */
export const BUFFERED_BYTES_MAX = 1024 * 1024;
const LENGTH_BYTES = 8;
const DIGEST_BYTES = 32;
export const DIGEST = 'sha256';

/** A snapshot did not arrive, or not as it was sent. */
export class SnapshotTransferError extends Error {
  override readonly name = 'SnapshotTransferError';
}

export function encodeSnapshotEnd(length: number, digest: Uint8Array): Buffer {
  const head = Buffer.alloc(LENGTH_BYTES + DIGEST_BYTES);
  head.writeBigUInt64BE(BigInt(length));
  head.set(digest, LENGTH_BYTES);
  return head;
}

/** @throws ProtocolError */
export function decodeSnapshotEnd(payload: Uint8Array): { readonly length: bigint; readonly digest: Uint8Array } {
  if (payload.length !== LENGTH_BYTES + DIGEST_BYTES) throw new ProtocolError('a malformed end of a snapshot');
  const buffer = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  return { length: buffer.readBigUInt64BE(), digest: buffer.subarray(LENGTH_BYTES) };
}
