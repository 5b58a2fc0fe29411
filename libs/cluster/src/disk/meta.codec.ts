import { crc32 } from 'node:zlib';
import type { LogIndex, PeerId, Term } from 'raft-ts';
import { ByteReader } from './byte-reader.ts';
import { ByteWriter } from './byte-writer.ts';
import type { OpenRestore } from './restore.codec.ts';

/** Everything small that changes with the log, in one record, so that a batch carries it at the price of one put. */
export interface DiskMeta {
  readonly term: Term;
  readonly vote: PeerId;
  readonly commit: LogIndex;
  /** The last entry whose effect is in the state on disk. */
  readonly applied: LogIndex;
  readonly appliedTerm: Term;
  /** The last entry that was cut off the log's front (or came with a snapshot), and its term. */
  readonly cut: LogIndex;
  readonly cutTerm: Term;
  /** Under which of the two prefixes the state lives; an installed snapshot switches over. */
  readonly generation: number;
  /** Within the generation: 0, or the entry that began the restore which this state came with. */
  readonly root: LogIndex;
  /** A restore that is under way. */
  readonly restore: OpenRestore | undefined;
}

export const EMPTY_META: DiskMeta = {
  term: 0,
  vote: 0,
  commit: 0,
  applied: 0,
  appliedTerm: 0,
  cut: 0,
  cutTerm: 0,
  generation: 0,
  root: 0,
  restore: undefined,
};

/** The form of disks on which nothing was ever restored. */
const FORM = 1;
const FORM_WITH_RESTORE = 2;

const NO_RESTORE = { root: 0, restore: undefined } as const;

export function encodeMeta(meta: DiskMeta): Uint8Array {
  const writer = new ByteWriter(80);
  const plain = meta.root === 0 && meta.restore === undefined;
  writer.byte(plain ? FORM : FORM_WITH_RESTORE);
  writer.varint(meta.term);
  writer.varint(meta.vote);
  writer.varint(meta.commit);
  writer.varint(meta.applied);
  writer.varint(meta.appliedTerm);
  writer.varint(meta.cut);
  writer.varint(meta.cutTerm);
  writer.varint(meta.generation);
  if (!plain) {
    writer.varint(meta.root);
    writer.varint(meta.restore?.attempt ?? 0);
    writer.varint(meta.restore?.sequence ?? 0);
  }
  writer.uint32(crc32(writer.view()));
  return writer.view();
}

/** @throws StorageError `corrupt` */
export function decodeMeta(bytes: Uint8Array): DiskMeta {
  const reader = new ByteReader(bytes, 'record of the log');
  const form = reader.byte();
  if (form !== FORM && form !== FORM_WITH_RESTORE) throw reader.damaged();
  const numbers = {
    term: reader.varint(),
    vote: reader.varint(),
    commit: reader.varint(),
    applied: reader.varint(),
    appliedTerm: reader.varint(),
    cut: reader.varint(),
    cutTerm: reader.varint(),
    generation: reader.varint(),
  };
  const more = form === FORM ? NO_RESTORE : readRestore(reader);
  const body = bytes.subarray(0, reader.offset);
  if (reader.uint32() !== crc32(body)) throw reader.damaged();
  reader.end();
  return { ...numbers, ...more };
}

function readRestore(reader: ByteReader): Pick<DiskMeta, 'root' | 'restore'> {
  const root = reader.varint();
  const attempt = reader.varint();
  const sequence = reader.varint();
  return { root, restore: attempt === 0 ? undefined : { attempt, sequence } };
}
