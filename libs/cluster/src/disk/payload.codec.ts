import { assertNever } from '@coffer/kernel';
import type { NodeAddress, WriteOp } from '@coffer/storage';
import type { PeerId } from 'raft-ts';
import { ByteReader } from './byte-reader.ts';
import { ByteWriter } from './byte-writer.ts';
import { readRestoreStep, writeRestoreStep, type RestoreStep } from './restore.codec.ts';

/** What a data entry of the log asks each node to do. */
export type Payload =
  | { readonly kind: 'batch'; readonly ops: readonly WriteOp[] }
  /** A member moved, or serves clients elsewhere. */
  | { readonly kind: 'announce'; readonly peer: PeerId; readonly address: NodeAddress }
  | { readonly kind: 'restore'; readonly step: RestoreStep };

/** The first byte says how to read the rest; numbers are never used again. */
const BATCH = 1;
const ANNOUNCE = 2;
const RESTORE = 3;

const PUT = 1;
const DELETE = 2;

/** Bytes that an op takes beside its key and value, at most. */
const OP_OVERHEAD_BYTES = 11;

/** The entry of a batch: count, then op, key and value one after the other. */
export function encodeBatch(ops: readonly WriteOp[]): Uint8Array {
  let capacity = 16;
  for (const op of ops) capacity += op.key.length + OP_OVERHEAD_BYTES + (op.kind === 'put' ? op.value.length : 0);
  const writer = new ByteWriter(capacity);
  writer.byte(BATCH);
  writer.varint(ops.length);
  for (const op of ops) {
    switch (op.kind) {
      case 'put':
        writer.byte(PUT);
        writer.text(op.key);
        writer.bytes(op.value);
        break;
      case 'delete':
        writer.byte(DELETE);
        writer.text(op.key);
        break;
      default:
        assertNever(op, 'write operation');
    }
  }
  return writer.view();
}

export function encodeAnnounce(peer: PeerId, address: NodeAddress): Uint8Array {
  const writer = new ByteWriter();
  writer.byte(ANNOUNCE);
  writer.varint(peer);
  writer.text(address.nodeId);
  writer.text(address.apiAddress);
  writer.text(address.clusterAddress);
  return writer.view();
}

export function encodeRestore(step: RestoreStep): Uint8Array {
  const writer = new ByteWriter();
  writer.byte(RESTORE);
  writeRestoreStep(writer, step);
  return writer.view();
}

/**
 * Reads a data entry. Values are views into `data`.
 *
 * @throws StorageError `corrupt`, where it is none or of a newer version
 */
export function decodePayload(data: Uint8Array): Payload {
  const reader = new ByteReader(data, 'log entry');
  const kind = reader.byte();
  if (kind === BATCH) return { kind: 'batch', ops: readOps(reader) };
  if (kind === RESTORE) return { kind: 'restore', step: readRestoreStep(reader) };
  if (kind !== ANNOUNCE) throw reader.damaged();
  const peer = reader.varint();
  const address = { nodeId: reader.text(), apiAddress: reader.text(), clusterAddress: reader.text() };
  reader.end();
  return { kind: 'announce', peer, address };
}

function readOps(reader: ByteReader): WriteOp[] {
  const count = reader.varint();
  const ops: WriteOp[] = [];
  for (let at = 0; at < count; at++) {
    const op = reader.byte();
    const key = reader.text();
    if (op === PUT) ops.push({ kind: 'put', key, value: reader.bytes() });
    else if (op === DELETE) ops.push({ kind: 'delete', key });
    else throw reader.damaged();
  }
  reader.end();
  return ops;
}
