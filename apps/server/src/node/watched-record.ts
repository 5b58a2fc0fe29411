import type { AesGcmBarrier } from '@coffer/barrier';
import type { Log } from '@coffer/kernel';
import type { Backend } from '@coffer/storage';

/** What a record of the barrier is read for, on every node that is unsealed. */
export interface RecordReader {
  readonly key: string;
  /** The record as it is now, at first and after each change; undefined where there is none. */
  read(value: Uint8Array | undefined): Promise<void> | void;
}

/** Reads a record now, and again whenever it is changed here or on another node. @returns what ends it */
export async function watchRecord(
  parts: { readonly backend: Pick<Backend, 'subscribe'>; readonly barrier: AesGcmBarrier; readonly log: Log },
  reader: RecordReader,
): Promise<() => void> {
  const { backend, barrier, log } = parts;
  let ended = false;
  const readNow = async (): Promise<void> => {
    if (!ended && !barrier.sealed) await reader.read(await barrier.get(reader.key));
  };
  const stop = backend.subscribe(({ keys, everything }) => {
    if (everything !== true && !keys.includes(reader.key)) return;
    // After all who are told of the batch: the barrier's cache among them.
    setImmediate(() => {
      readNow().catch((error: unknown) => log.error('a record of the cluster cannot be read', { error }));
    });
  });
  try {
    await readNow();
  } catch (error) {
    stop();
    throw error;
  }
  return () => {
    ended = true;
    stop();
  };
}
