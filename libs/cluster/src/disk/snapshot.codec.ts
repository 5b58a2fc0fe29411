import { createHash } from 'node:crypto';
import { StorageError } from '@coffer/storage';
import type { LogIndex, Term } from 'raft-ts';
import { ByteReader } from './byte-reader.ts';
import { ByteWriter } from './byte-writer.ts';
import { decodeMembers, encodeMembers, type Members } from './members.ts';
import type { OpenRestore, StateRecord } from './restore.codec.ts';

/** What stands before the records of a snapshot. */
export interface SnapshotHeader {
  readonly clusterId: string;
  readonly index: LogIndex;
  /** Of the entry at `index`. */
  readonly term: Term;
  /** Of the leader that sends it. */
  readonly leaderTerm: Term;
  readonly members: Members;
}

export type SnapshotRecord = StateRecord;

/** A restore that was under way when the snapshot was taken, and what it had brought. */
export interface SnapshotRestore extends OpenRestore {
  readonly pages: AsyncIterable<readonly SnapshotRecord[]>;
}

const MAGIC = 'coffer-snapshot/1\n';

const HEADER = 1;
const RECORDS = 2;
const END = 3;
const RESTORE = 4;
const RESTORE_RECORDS = 5;

/** A frame is never larger, so that a damaged length does not ask for the memory of the machine. */
const FRAME_BYTES_MAX = 256 << 20;
const FRAME_HEAD_BYTES = 5;

/**
 * Streams a snapshot: a magic line, then frames (length in 4 bytes, kind, contents): header, records, those of a restore
 * under way, and an end with the number of records and the SHA-256 of everything before it.
 */
export async function* encodeSnapshot(
  header: SnapshotHeader,
  pages: AsyncIterable<readonly SnapshotRecord[]>,
  restore?: SnapshotRestore,
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256');
  let count = 0;
  const hashed = (bytes: Uint8Array): Uint8Array => {
    hash.update(bytes);
    return bytes;
  };
  yield hashed(Buffer.from(MAGIC));
  yield hashed(frame(HEADER, (writer) => writeHeader(writer, header)));
  for await (const page of pages) {
    count += page.length;
    yield hashed(frame(RECORDS, (writer) => writeRecords(writer, page)));
  }
  if (restore !== undefined) {
    yield hashed(
      frame(RESTORE, (writer) => {
        writer.varint(restore.attempt);
        writer.varint(restore.sequence);
      }),
    );
    for await (const page of restore.pages) {
      count += page.length;
      yield hashed(frame(RESTORE_RECORDS, (writer) => writeRecords(writer, page)));
    }
  }
  const digest = hash.digest();
  yield frame(END, (writer) => {
    writer.varint(count);
    writer.bytes(digest);
  });
}

/** What a snapshot's stream tells, in order: its header first, then pages of records. It ends only if all is well. */
export type SnapshotPart =
  | { readonly kind: 'header'; readonly header: SnapshotHeader }
  | { readonly kind: 'records'; readonly records: readonly SnapshotRecord[] }
  | { readonly kind: 'restore'; readonly restore: OpenRestore }
  | { readonly kind: 'restore-records'; readonly records: readonly SnapshotRecord[] };

/** @throws StorageError `corrupt` where it is cut short, damaged, or no snapshot at all */
export async function* decodeSnapshot(contents: AsyncIterable<Uint8Array>): AsyncGenerator<SnapshotPart> {
  const input = new StreamReader(contents);
  try {
    yield* decodeParts(input);
  } finally {
    // A file must not stay open where the rest of it is not read.
    await input.close();
  }
}

async function* decodeParts(input: StreamReader): AsyncGenerator<SnapshotPart> {
  const hash = createHash('sha256');
  const magic = await input.take(MAGIC.length);
  const named = Buffer.from(magic).toString('latin1');
  if (named !== MAGIC) {
    const another = named.startsWith('coffer-snapshot/');
    throw damaged(another ? 'this snapshot has a form that this version does not know' : 'this is no snapshot');
  }
  hash.update(magic);
  let count = 0;
  let begun = false;
  let restoring = false;
  for (;;) {
    const head = await input.take(FRAME_HEAD_BYTES);
    const reader = new ByteReader(head, 'snapshot');
    const length = reader.uint32();
    if (length > FRAME_BYTES_MAX) throw damaged('the snapshot is damaged');
    const kind = reader.byte();
    const body = await input.take(length);
    if (kind === END) {
      checkEnd(body, count, hash.digest());
      if (!begun || !(await input.atEnd())) throw damaged('the snapshot is damaged');
      return;
    }
    hash.update(head).update(body);
    if (kind === HEADER && !begun) {
      begun = true;
      yield { kind: 'header', header: readHeader(body) };
    } else if ((kind === RECORDS && begun && !restoring) || (kind === RESTORE_RECORDS && restoring)) {
      const records = readRecords(body);
      count += records.length;
      yield { kind: restoring ? 'restore-records' : 'records', records };
    } else if (kind === RESTORE && begun && !restoring) {
      restoring = true;
      yield { kind: 'restore', restore: readRestore(body) };
    } else {
      throw damaged('the snapshot is damaged');
    }
  }
}

function frame(kind: number, write: (writer: ByteWriter) => void): Uint8Array {
  const writer = new ByteWriter(4096);
  writer.uint32(0);
  writer.byte(kind);
  write(writer);
  const bytes = Buffer.from(writer.view());
  bytes.writeUInt32LE(bytes.length - FRAME_HEAD_BYTES, 0);
  return bytes;
}

function writeHeader(writer: ByteWriter, header: SnapshotHeader): void {
  writer.text(header.clusterId);
  writer.varint(header.index);
  writer.varint(header.term);
  writer.varint(header.leaderTerm);
  writer.bytes(encodeMembers(header.members));
}

function readHeader(body: Uint8Array): SnapshotHeader {
  const reader = new ByteReader(body, 'snapshot');
  const header = {
    clusterId: reader.text(),
    index: reader.varint(),
    term: reader.varint(),
    leaderTerm: reader.varint(),
    members: decodeMembers(reader.bytes()),
  };
  reader.end();
  return header;
}

function writeRecords(writer: ByteWriter, records: readonly SnapshotRecord[]): void {
  for (const [key, value] of records) {
    writer.text(key);
    writer.bytes(value);
  }
}

function readRestore(body: Uint8Array): OpenRestore {
  const reader = new ByteReader(body, 'snapshot');
  const restore = { attempt: reader.varint(), sequence: reader.varint() };
  reader.end();
  return restore;
}

function readRecords(body: Uint8Array): SnapshotRecord[] {
  const reader = new ByteReader(body, 'snapshot');
  const records: SnapshotRecord[] = [];
  while (reader.remaining > 0) records.push([reader.text(), reader.bytes()]);
  return records;
}

function checkEnd(body: Uint8Array, count: number, digest: Uint8Array): void {
  const reader = new ByteReader(body, 'snapshot');
  const counted = reader.varint();
  const expected = reader.bytes();
  reader.end();
  if (counted !== count || Buffer.compare(expected, digest) !== 0) {
    throw damaged("the snapshot's checksum does not match");
  }
}

/** Reads exact lengths from pieces of any size. */
class StreamReader {
  readonly #pieces: AsyncIterator<Uint8Array>;
  #held: Buffer = Buffer.alloc(0);

  constructor(contents: AsyncIterable<Uint8Array>) {
    this.#pieces = contents[Symbol.asyncIterator]();
  }

  async take(length: number): Promise<Uint8Array> {
    if (this.#held.length < length) await this.#fill(length);
    const taken = this.#held.subarray(0, length);
    this.#held = this.#held.subarray(length);
    return taken;
  }

  async atEnd(): Promise<boolean> {
    while (this.#held.length === 0) {
      const piece = await this.#pieces.next();
      if (piece.done === true) return true;
      this.#held = Buffer.from(piece.value);
    }
    return false;
  }

  /** Nothing more is wanted. */
  async close(): Promise<void> {
    await this.#pieces.return?.();
  }

  async #fill(length: number): Promise<void> {
    const pieces: Uint8Array[] = [this.#held];
    let held = this.#held.length;
    while (held < length) {
      const piece = await this.#pieces.next();
      if (piece.done === true) throw damaged('the snapshot is cut short');
      pieces.push(piece.value);
      held += piece.value.length;
    }
    this.#held = Buffer.concat(pieces);
  }
}

function damaged(message: string): StorageError {
  return new StorageError('corrupt', message);
}
