import { crc32 } from 'node:zlib';
import { assertNever } from '@coffer/kernel';
import type { Entry, LogIndex, MembershipChange, MembershipStep, Term } from 'raft-ts';
import { ByteReader } from './byte-reader.ts';
import { ByteWriter } from './byte-writer.ts';

/** Version of the form below. */
const FORM = 1;

const DATA = 1;
const EMPTY = 2;
const MEMBERSHIP = 3;

const ENTER = 1;
const LEAVE = 2;

const STEPS = ['add-voter', 'add-learner', 'remove'] as const satisfies readonly MembershipStep['kind'][];

const CHECKSUM_BYTES = 4;

/** What a chunk holds, without its entries. */
export interface ChunkHeader {
  readonly first: LogIndex;
  readonly last: LogIndex;
  readonly term: Term;
}

/**
 * A chunk is a run of log entries of one term that were written together: one LevelDB value for a whole group, so that
 * the log costs one put per group and not per entry. Form, first index, term, count, then kind and contents of each
 * entry, and a CRC-32 of it all, since LevelDB verifies its own checksums only when it compacts.
 */
export function encodeChunk(entries: readonly Entry[], first: LogIndex, term: Term): Uint8Array {
  let capacity = 48;
  for (const entry of entries) capacity += entry.kind === 'data' ? entry.data.length + 8 : 64;
  const writer = new ByteWriter(capacity);
  writer.byte(FORM);
  writer.varint(first);
  writer.varint(term);
  writer.varint(entries.length);
  for (const entry of entries) {
    switch (entry.kind) {
      case 'data':
        writer.byte(DATA);
        writer.bytes(entry.data);
        break;
      case 'empty':
        writer.byte(EMPTY);
        break;
      case 'membership':
        writer.byte(MEMBERSHIP);
        writeChange(writer, entry.change);
        break;
      default:
        assertNever(entry, 'log entry');
    }
  }
  writer.uint32(crc32(writer.view()));
  return writer.view();
}

/** @throws StorageError `corrupt` */
export function decodeChunkHeader(chunk: Uint8Array): ChunkHeader {
  const { first, term, count } = readHeader(checked(chunk));
  return { first, last: first + count - 1, term };
}

/** @throws StorageError `corrupt` */
export function decodeChunk(chunk: Uint8Array): Entry[] {
  const reader = checked(chunk);
  const { first, term, count } = readHeader(reader);
  const entries: Entry[] = [];
  for (let index = first; index < first + count; index++) {
    const kind = reader.byte();
    if (kind === DATA) entries.push({ kind: 'data', term, index, data: reader.bytes() });
    else if (kind === EMPTY) entries.push({ kind: 'empty', term, index });
    else if (kind === MEMBERSHIP) entries.push({ kind: 'membership', term, index, change: readChange(reader) });
    else throw reader.damaged();
  }
  reader.end();
  return entries;
}

/** What an entry takes in a chunk, roughly; for bounding. */
export function entryBytes(entry: Entry): number {
  if (entry.kind === 'data') return entry.data.length + 8;
  return entry.kind === 'membership' && entry.change.kind === 'enter' ? entry.change.context.length + 64 : 8;
}

function checked(chunk: Uint8Array): ByteReader {
  const body = chunk.subarray(0, Math.max(0, chunk.length - CHECKSUM_BYTES));
  const reader = new ByteReader(body, 'chunk of the log');
  const checksum = new ByteReader(chunk.subarray(body.length), 'chunk of the log').uint32();
  if (checksum !== crc32(body)) throw reader.damaged();
  return reader;
}

function readHeader(reader: ByteReader): { first: LogIndex; term: Term; count: number } {
  if (reader.byte() !== FORM) throw reader.damaged();
  const header = { first: reader.varint(), term: reader.varint(), count: reader.varint() };
  if (header.first < 1 || header.count < 1) throw reader.damaged();
  return header;
}

function writeChange(writer: ByteWriter, change: MembershipChange): void {
  if (change.kind === 'leave') {
    writer.byte(LEAVE);
    return;
  }
  writer.byte(ENTER);
  writer.varint(change.steps.length);
  for (const step of change.steps) {
    writer.byte(STEPS.indexOf(step.kind));
    writer.varint(step.peer);
  }
  writer.bytes(change.context);
}

function readChange(reader: ByteReader): MembershipChange {
  const form = reader.byte();
  if (form === LEAVE) return { kind: 'leave' };
  if (form !== ENTER) throw reader.damaged();
  const steps: MembershipStep[] = [];
  const count = reader.varint();
  for (let at = 0; at < count; at++) {
    const kind = STEPS[reader.byte()];
    if (kind === undefined) throw reader.damaged();
    steps.push({ kind, peer: reader.varint() });
  }
  return { kind: 'enter', steps, context: reader.bytes() };
}
