import { assertNever } from '@coffer/kernel';
import { ByteReader } from './byte-reader.ts';
import { ByteWriter } from './byte-writer.ts';
import { CodecError } from './codec-error.ts';
import { entryBytes } from './entry-bytes.ts';
import { ENTRY_BYTES_MIN, readEntry, writeEntry } from './entry-codec.ts';
import type { Entry, Membership, Message, PeerId, SnapshotMeta } from './message.ts';

/** The version of the form: the first byte of every message. */
const MESSAGE_FORM = 1;

/** A kind's place is its byte on the wire: append only. */
const KINDS = [
  'pre-vote',
  'pre-vote-reply',
  'vote',
  'vote-reply',
  'append',
  'append-reply',
  'heartbeat',
  'heartbeat-reply',
  'snapshot',
  'read-index',
  'read-index-reply',
  'timeout-now',
] as const satisfies readonly Message['kind'][];

/** What a message takes beside entries and members, in bytes. */
const HEAD_BYTES = 64;

/** Version, kind, from, to, term, and the fields of the kind in the order of their declaration. */
export function encodeMessage(message: Message): Uint8Array {
  let capacity = HEAD_BYTES;
  if (message.kind === 'append') for (const entry of message.entries) capacity += entryBytes(entry) + 8;
  const writer = new ByteWriter(capacity);
  writer.byte(MESSAGE_FORM);
  writer.byte(KINDS.indexOf(message.kind));
  writer.varint(message.from);
  writer.varint(message.to);
  writer.varint(message.term);
  writeBody(writer, message);
  return writer.finish();
}

function writeBody(writer: ByteWriter, message: Message): void {
  switch (message.kind) {
    case 'pre-vote':
    case 'vote':
      writer.varint(message.lastIndex);
      writer.varint(message.lastTerm);
      return writer.flag(message.transfer);
    case 'pre-vote-reply':
    case 'vote-reply':
      return writer.flag(message.reject);
    case 'append':
      writer.varint(message.prevIndex);
      writer.varint(message.prevTerm);
      writer.varint(message.entries.length);
      for (const entry of message.entries) writeEntry(writer, entry);
      return writer.varint(message.commit);
    case 'append-reply':
      writer.varint(message.index);
      writer.flag(message.reject);
      writer.varint(message.hintIndex);
      return writer.varint(message.hintTerm);
    case 'heartbeat':
      writer.varint(message.commit);
      return writer.varint(message.round);
    case 'heartbeat-reply':
      return writer.varint(message.round);
    case 'snapshot':
      return writeSnapshot(writer, message.snapshot);
    case 'read-index':
      return writer.varint(message.request);
    case 'read-index-reply':
      writer.varint(message.request);
      writer.varint(message.index);
      return writer.flag(message.reject);
    case 'timeout-now':
      return;
    default:
      assertNever(message, 'message');
  }
}

function writeSnapshot(writer: ByteWriter, { index, term, membership }: SnapshotMeta): void {
  writer.varint(index);
  writer.varint(term);
  const { voters, votersOutgoing, learners, learnersNext } = membership;
  for (const group of [voters, votersOutgoing, learners, learnersNext]) {
    writer.varint(group.length);
    for (const peer of group) writer.varint(peer);
  }
}

/**
 * What was said. Only the form is checked; whether it makes sense is for `Raft.step` to judge. Data of entries stay
 * part of `bytes`, which must not change afterwards.
 *
 * @throws CodecError
 */
export function decodeMessage(bytes: Uint8Array): Message {
  const reader = new ByteReader(bytes);
  if (reader.byte() !== MESSAGE_FORM) throw new CodecError('unknown version of a message');
  const kind = KINDS[reader.byte()];
  if (kind === undefined) throw new CodecError('unknown kind of message');
  const head = { from: reader.varint(), to: reader.varint(), term: reader.varint() };
  const message = readBody(reader, kind, head);
  reader.end();
  return message;
}

// The members of an object literal are evaluated in order, which is the order on the wire.
function readBody(reader: ByteReader, kind: Message['kind'], head: Pick<Message, 'from' | 'to' | 'term'>): Message {
  switch (kind) {
    case 'pre-vote':
    case 'vote':
      return { kind, ...head, lastIndex: reader.varint(), lastTerm: reader.varint(), transfer: reader.flag() };
    case 'pre-vote-reply':
    case 'vote-reply':
      return { kind, ...head, reject: reader.flag() };
    case 'append':
      return {
        kind,
        ...head,
        prevIndex: reader.varint(),
        prevTerm: reader.varint(),
        entries: readEntries(reader),
        commit: reader.varint(),
      };
    case 'append-reply':
      return {
        kind,
        ...head,
        index: reader.varint(),
        reject: reader.flag(),
        hintIndex: reader.varint(),
        hintTerm: reader.varint(),
      };
    case 'heartbeat':
      return { kind, ...head, commit: reader.varint(), round: reader.varint() };
    case 'heartbeat-reply':
      return { kind, ...head, round: reader.varint() };
    case 'snapshot':
      return { kind, ...head, snapshot: readSnapshot(reader) };
    case 'read-index':
      return { kind, ...head, request: reader.varint() };
    case 'read-index-reply':
      return { kind, ...head, request: reader.varint(), index: reader.varint(), reject: reader.flag() };
    case 'timeout-now':
      return { kind, ...head };
    default:
      return assertNever(kind, 'kind of message');
  }
}

function readEntries(reader: ByteReader): Entry[] {
  const entries: Entry[] = [];
  for (let left = reader.count(ENTRY_BYTES_MIN); left > 0; left--) entries.push(readEntry(reader));
  return entries;
}

function readSnapshot(reader: ByteReader): SnapshotMeta {
  return { index: reader.varint(), term: reader.varint(), membership: readMembership(reader) };
}

function readMembership(reader: ByteReader): Membership {
  return {
    voters: readPeers(reader),
    votersOutgoing: readPeers(reader),
    learners: readPeers(reader),
    learnersNext: readPeers(reader),
  };
}

function readPeers(reader: ByteReader): PeerId[] {
  const peers: PeerId[] = [];
  for (let left = reader.count(1); left > 0; left--) peers.push(reader.varint());
  return peers;
}
