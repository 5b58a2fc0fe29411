import { assertNever } from '@coffer/kernel';
import { ByteReader } from './byte-reader.ts';
import { ByteWriter } from './byte-writer.ts';
import { CodecError } from './codec-error.ts';
import { entryBytes } from './entry-bytes.ts';
import type { Entry, MembershipChange, MembershipStep } from './message.ts';

/** The version of the form of an entry on its own. */
const ENTRY_FORM = 1;

const KINDS = ['data', 'empty', 'membership'] as const satisfies readonly Entry['kind'][];
const CHANGES = ['enter', 'leave'] as const satisfies readonly MembershipChange['kind'][];
const STEPS = ['add-voter', 'add-learner', 'remove'] as const satisfies readonly MembershipStep['kind'][];

/** The least that an entry takes: kind, term, index. */
export const ENTRY_BYTES_MIN = 3;
const STEP_BYTES_MIN = 2;

function choose<T>(choices: readonly T[], place: number, what: string): T {
  const choice = choices[place];
  if (choice === undefined) throw new CodecError(`unknown ${what}`);
  return choice;
}

/** The entry, after a byte for the version. */
export function encodeEntry(entry: Entry): Uint8Array {
  const writer = new ByteWriter(entryBytes(entry) + 16);
  writer.byte(ENTRY_FORM);
  writeEntry(writer, entry);
  return writer.finish();
}

/**
 * The data stay part of `bytes`, which must not change afterwards.
 *
 * @throws CodecError
 */
export function decodeEntry(bytes: Uint8Array): Entry {
  const reader = new ByteReader(bytes);
  if (reader.byte() !== ENTRY_FORM) throw new CodecError('unknown version of an entry');
  const entry = readEntry(reader);
  reader.end();
  return entry;
}

/** Kind, term, index and contents, as part of something larger. */
export function writeEntry(writer: ByteWriter, entry: Entry): void {
  writer.byte(KINDS.indexOf(entry.kind));
  writer.varint(entry.term);
  writer.varint(entry.index);
  switch (entry.kind) {
    case 'data':
      writer.bytes(entry.data);
      return;
    case 'empty':
      return;
    case 'membership':
      writeChange(writer, entry.change);
      return;
    default:
      assertNever(entry, 'log entry');
  }
}

/** @throws CodecError */
export function readEntry(reader: ByteReader): Entry {
  const kind = choose(KINDS, reader.byte(), 'kind of entry');
  const term = reader.varint();
  const index = reader.varint();
  switch (kind) {
    case 'data':
      return { kind, term, index, data: reader.bytes() };
    case 'empty':
      return { kind, term, index };
    case 'membership':
      return { kind, term, index, change: readChange(reader) };
    default:
      return assertNever(kind, 'kind of entry');
  }
}

function writeChange(writer: ByteWriter, change: MembershipChange): void {
  writer.byte(CHANGES.indexOf(change.kind));
  if (change.kind === 'leave') return;
  writer.varint(change.steps.length);
  for (const { kind, peer } of change.steps) {
    writer.byte(STEPS.indexOf(kind));
    writer.varint(peer);
  }
  writer.bytes(change.context);
}

function readChange(reader: ByteReader): MembershipChange {
  const kind = choose(CHANGES, reader.byte(), 'kind of membership change');
  if (kind === 'leave') return { kind };
  const count = reader.count(STEP_BYTES_MIN);
  const steps: MembershipStep[] = [];
  for (let at = 0; at < count; at++) {
    steps.push({ kind: choose(STEPS, reader.byte(), 'kind of membership step'), peer: reader.varint() });
  }
  return { kind, steps, context: reader.bytes() };
}
