import { StorageError } from '@coffer/storage';
import type { Backend, Reader, WriteOp } from '@coffer/storage';
import { MIGRATION_KEY, encodeMarker } from './marker.ts';
import type { MigrationMarker } from './marker.ts';
import type { MigrationEnd } from './open-end.ts';

/** Behind every key there can be. */
const END = '\u{10ffff}';
const KEYS_PAGE = 500;
/** A batch that every storage takes. */
const BATCH_KEYS_MAX = 100;
const BATCH_BYTES_MAX = 512 * 1024;

export interface CopyOptions {
  /** Values that are read at a time. */
  readonly parallelMax: number;
  /** From this key on. */
  readonly start: string;
  readonly told: (keys: number) => void;
}

interface Entry {
  readonly key: string;
  readonly value: Uint8Array;
}

/** Writes to an end, as its present owner. */
export async function writeTo({ backend, epoch }: MigrationEnd, ops: readonly WriteOp[]): Promise<void> {
  if (!epoch) throw new StorageError('not-active', 'this end of the migration can only be read');
  await backend.write({ ops, epoch: epoch() });
}

/** Copies all keys from `start` on, in their order, and notes with each batch how far it is. @returns how many */
export async function copyKeys(
  source: Backend,
  destination: MigrationEnd,
  marker: MigrationMarker,
  { start, parallelMax, told }: CopyOptions,
): Promise<number> {
  let copied = 0;
  for await (const batch of inBatches(entriesOf(source, start, parallelMax))) {
    const after = batch.at(-1)?.key ?? start;
    await writeTo(destination, [
      ...batch.map(({ key, value }): WriteOp => ({ kind: 'put', key, value })),
      { kind: 'put', key: MIGRATION_KEY, value: encodeMarker({ ...marker, after }) },
    ]);
    copied += batch.length;
    told(copied);
  }
  return copied;
}

/**
 * Compares both ends, every key and every byte, and makes the destination the same where it differs (the source was
 * changed between two runs).
 *
 * @returns how many keys there are, and how many were different
 */
export async function verifyKeys(
  source: Backend,
  destination: MigrationEnd,
  { start, parallelMax }: Pick<CopyOptions, 'start' | 'parallelMax'>,
): Promise<{ readonly keys: number; readonly different: number }> {
  let keys = 0;
  let repairs: WriteOp[] = [];
  let different = 0;
  const repair = async (op: WriteOp): Promise<void> => {
    different++;
    repairs.push(op);
    if (repairs.length < BATCH_KEYS_MAX && (op.kind === 'delete' || op.value.length < BATCH_BYTES_MAX / 4)) return;
    await writeTo(destination, repairs);
    repairs = [];
  };
  const there = entriesOf(destination.backend, start, parallelMax)[Symbol.asyncIterator]();
  let other = await there.next();
  for await (const { key, value } of entriesOf(source, start, parallelMax)) {
    keys++;
    while (!other.done && compare(other.value.key, key) < 0) {
      await repair({ kind: 'delete', key: other.value.key });
      other = await there.next();
    }
    if (!other.done && other.value.key === key) {
      if (Buffer.compare(other.value.value, value) !== 0) await repair({ kind: 'put', key, value });
      other = await there.next();
    } else await repair({ kind: 'put', key, value });
  }
  for (; !other.done; other = await there.next()) await repair({ kind: 'delete', key: other.value.key });
  if (repairs.length > 0) await writeTo(destination, repairs);
  return { keys, different };
}

/** Removes everything that a migration has brought. */
export async function removeKeys(destination: MigrationEnd): Promise<void> {
  for (;;) {
    const found = await destination.backend.keys({ from: '', to: END, limit: BATCH_KEYS_MAX });
    const keys = found.filter((key) => key !== MIGRATION_KEY);
    if (keys.length === 0) return;
    await writeTo(
      destination,
      keys.map((key) => ({ kind: 'delete', key })),
    );
  }
}

/** Whether there is anything but a marker. */
export async function isEmpty(store: Reader): Promise<boolean> {
  const found = await store.keys({ from: '', to: END, limit: 2 });
  return found.every((key) => key === MIGRATION_KEY);
}

const compare = (left: string, right: string): number => Buffer.compare(Buffer.from(left), Buffer.from(right));

/** All keys with their values, in order, without the marker. */
async function* entriesOf(store: Backend, start: string, parallelMax: number): AsyncGenerator<Entry> {
  let from = start;
  for (;;) {
    const keys = await store.keys({ from, to: END, limit: KEYS_PAGE });
    for (let at = 0; at < keys.length; at += parallelMax) {
      const some = keys.slice(at, at + parallelMax);
      const values = await Promise.all(some.map((key) => store.get(key)));
      for (const [index, key] of some.entries()) {
        const value = values[index];
        if (key === MIGRATION_KEY) continue;
        if (value === undefined) throw new StorageError('conflict', 'the storage was changed during the migration');
        yield { key, value };
      }
    }
    const last = keys.at(-1);
    if (keys.length < KEYS_PAGE || last === undefined) return;
    from = `${last}\u0000`;
  }
}

async function* inBatches(entries: AsyncIterable<Entry>): AsyncGenerator<Entry[]> {
  let batch: Entry[] = [];
  let bytes = 0;
  for await (const entry of entries) {
    if (batch.length > 0 && (batch.length >= BATCH_KEYS_MAX || bytes + entry.value.length > BATCH_BYTES_MAX)) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(entry);
    bytes += entry.value.length;
  }
  if (batch.length > 0) yield batch;
}
