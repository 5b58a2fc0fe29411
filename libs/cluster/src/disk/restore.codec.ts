import { assertNever } from '@coffer/kernel';
import type { LogIndex } from 'raft-ts';
import type { ByteReader } from './byte-reader.ts';
import type { ByteWriter } from './byte-writer.ts';

/** A key and its value. */
export type StateRecord = readonly [key: string, value: Uint8Array];

/**
 * One step of putting another state in the place of the present one. An attempt is named by the index of the entry that
 * began it, so that no two ever have the same name.
 */
export type RestoreStep =
  /** An attempt that was open ends. */
  | { readonly kind: 'begin' }
  /** Records of the state to come; `sequence` counts these steps from 0. */
  | {
      readonly kind: 'stage';
      readonly attempt: LogIndex;
      readonly sequence: number;
      readonly records: readonly StateRecord[];
    }
  /** What was staged, in so many steps, is the state from here on. */
  | { readonly kind: 'switch'; readonly attempt: LogIndex; readonly sequence: number }
  | { readonly kind: 'abandon'; readonly attempt: LogIndex };

/** An attempt that is under way: part of the replicated state. */
export interface OpenRestore {
  readonly attempt: LogIndex;
  /** How many steps of records have been taken in. */
  readonly sequence: number;
}

const BEGIN = 1;
const STAGE = 2;
const SWITCH = 3;
const ABANDON = 4;

export function writeRestoreStep(writer: ByteWriter, step: RestoreStep): void {
  switch (step.kind) {
    case 'begin':
      writer.byte(BEGIN);
      return;
    case 'stage':
      writer.byte(STAGE);
      writer.varint(step.attempt);
      writer.varint(step.sequence);
      for (const [key, value] of step.records) {
        writer.text(key);
        writer.bytes(value);
      }
      return;
    case 'switch':
      writer.byte(SWITCH);
      writer.varint(step.attempt);
      writer.varint(step.sequence);
      return;
    case 'abandon':
      writer.byte(ABANDON);
      writer.varint(step.attempt);
      return;
    default:
      assertNever(step, 'step of a restore');
  }
}

/** @throws StorageError `corrupt` */
export function readRestoreStep(reader: ByteReader): RestoreStep {
  const step = readStep(reader);
  reader.end();
  return step;
}

function readStep(reader: ByteReader): RestoreStep {
  switch (reader.byte()) {
    case BEGIN:
      return { kind: 'begin' };
    case STAGE: {
      const attempt = reader.varint();
      const sequence = reader.varint();
      const records: StateRecord[] = [];
      while (reader.remaining > 0) records.push([reader.text(), reader.bytes()]);
      return { kind: 'stage', attempt, sequence, records };
    }
    case SWITCH:
      return { kind: 'switch', attempt: reader.varint(), sequence: reader.varint() };
    case ABANDON:
      return { kind: 'abandon', attempt: reader.varint() };
    default:
      throw reader.damaged();
  }
}
