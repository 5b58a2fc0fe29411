import { FrameType } from './frame.ts';
import { ProtocolError } from './protocol-error.ts';

/*
 * request   id (4 bytes, big endian), length of the kind (1), kind, payload
 * response  id (4), payload
 * failure   id (4), code (1)
 * cancel    id (4); the answer still comes, so that both ends agree on what is under way
 */
export const REQUEST_ID_MAX = 0xffff_ffff;
export const ID_BYTES = 4;
const KIND_BYTES_MAX = 64;

/** Why there is no response: the kind is not served there, the handler failed, or it was cancelled. */
export const FAILURE_CODES = ['unknown-kind', 'failed', 'cancelled', 'too-long'] as const;
export type FailureCode = (typeof FAILURE_CODES)[number];

const kinds = new Map<string, Buffer>();

/** The part of a request before its payload. @throws RangeError if the kind is empty or longer than 64 bytes */
export function requestHead(id: number, kind: string): Buffer {
  let name = kinds.get(kind);
  if (name === undefined) {
    name = Buffer.from(kind);
    if (name.length === 0 || name.length > KIND_BYTES_MAX) throw new RangeError('a kind has 1 to 64 bytes');
    if (kinds.size < 64) kinds.set(kind, name);
  }
  const head = Buffer.allocUnsafe(ID_BYTES + 1 + name.length);
  head.writeUInt32BE(id, 0);
  head[ID_BYTES] = name.length;
  name.copy(head, ID_BYTES + 1);
  return head;
}

export function idHead(id: number): Buffer {
  const head = Buffer.allocUnsafe(ID_BYTES);
  head.writeUInt32BE(id, 0);
  return head;
}

export function failureHead(id: number, code: FailureCode): Buffer {
  const head = Buffer.allocUnsafe(ID_BYTES + 1);
  head.writeUInt32BE(id, 0);
  head[ID_BYTES] = FAILURE_CODES.indexOf(code);
  return head;
}

export type ForwardFrame =
  | { readonly kind: 'request'; readonly id: number; readonly name: string; readonly payload: Uint8Array }
  | { readonly kind: 'response'; readonly id: number; readonly payload: Uint8Array }
  | { readonly kind: 'failure'; readonly id: number; readonly code: FailureCode }
  | { readonly kind: 'cancel'; readonly id: number };

/** @throws ProtocolError */
export function readForwardFrame(type: number, bytes: Uint8Array): ForwardFrame {
  if (bytes.length < ID_BYTES) throw new ProtocolError('a frame without its id');
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const id = buffer.readUInt32BE(0);
  switch (type) {
    case FrameType.request:
      return { kind: 'request', id, ...readRequest(buffer) };
    case FrameType.response:
      return { kind: 'response', id, payload: buffer.subarray(ID_BYTES) };
    case FrameType.failure: {
      const code = FAILURE_CODES[buffer[ID_BYTES] ?? FAILURE_CODES.length];
      if (code === undefined || buffer.length !== ID_BYTES + 1) throw new ProtocolError('a malformed failure');
      return { kind: 'failure', id, code };
    }
    case FrameType.cancel:
      if (buffer.length !== ID_BYTES) throw new ProtocolError('a malformed cancel');
      return { kind: 'cancel', id };
    default:
      throw new ProtocolError('a frame of another protocol');
  }
}

function readRequest(buffer: Buffer): { readonly name: string; readonly payload: Uint8Array } {
  const length = buffer[ID_BYTES] ?? 0;
  const end = ID_BYTES + 1 + length;
  if (length === 0 || length > KIND_BYTES_MAX || end > buffer.length) throw new ProtocolError('a malformed request');
  return { name: buffer.toString('utf8', ID_BYTES + 1, end), payload: buffer.subarray(end) };
}
