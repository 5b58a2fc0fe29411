import type { Log } from '@coffer/kernel';
import { KEY_BYTES_MAX, StorageError, type Epoch, type WriteResult } from '@coffer/storage';
import type { LevelDisk } from '../disk/level-disk.ts';
import { encodeRestore } from '../disk/payload.codec.ts';
import type { StateRecord } from '../disk/restore.codec.ts';
import { decodeSnapshot } from '../disk/snapshot.codec.ts';

/** Records travel in entries of about so many bytes; a larger record in one of its own. */
const STEP_BYTES = 256 << 10;
/** So many entries are on their way at a time, so that the clients' writes find their way between them. */
const STEPS_UNDER_WAY = 8;

export interface RestoreHost {
  disk(): LevelDisk;
  /** The term in which this node may write; 0 if it may not. */
  activeTerm(): Epoch;
  /** Proposes an entry and waits until it took effect. @throws StorageError as `Backend.write` */
  propose(data: Uint8Array, epoch: Epoch): Promise<WriteResult>;
  /** While true, no write is taken: what was judged on the former state must not come after the new one. */
  hold(held: boolean): void;
  /** The largest entry, in bytes. */
  readonly entryBytesMax: number;
  readonly log: Log;
}

/**
 * Puts a snapshot's contents in the place of the state, on every node: through the log, in steps that each keeps beside
 * its state, and one last entry that switches over.
 */
export class RestoreRunner {
  readonly #host: RestoreHost;
  #running = false;
  /** The attempt, and the term, that was last asked to be given up. */
  #abandoned = '';

  constructor(host: RestoreHost) {
    this.#host = host;
  }

  /**
   * @param contents streams the snapshot; read twice, first to see that all of it is sound
   * @param requiredKeys without which the state would be of no use
   * @param kept records in the place of the snapshot's own
   * @throws StorageError `corrupt` (what is wrong with it), `too-large`, `conflict` (another one is under way), or as
   *   `Backend.write`. Unless it is `in-doubt`, nothing has changed then.
   */
  async run(
    contents: () => AsyncIterable<Uint8Array>,
    requiredKeys: readonly string[],
    kept: readonly StateRecord[],
  ): Promise<WriteResult> {
    if (this.#running) throw new StorageError('conflict', 'another restore is under way');
    this.#running = true;
    try {
      await this.#check(contents(), requiredKeys);
      const epoch = this.#host.activeTerm();
      if (epoch === 0) throw new StorageError('not-active', 'this node is not the active one');
      return await this.#restore(contents(), kept, epoch);
    } finally {
      this.#running = false;
    }
  }

  /** On the active node, now and then: gives up what another one left unfinished. */
  tend(): void {
    const epoch = this.#host.activeTerm();
    if (epoch === 0 || this.#running) return;
    const { restore } = this.#host.disk();
    if (restore === undefined) return;
    const name = `${String(epoch)}/${String(restore.attempt)}`;
    if (this.#abandoned === name) return;
    this.#abandoned = name;
    void this.#abandon(restore.attempt, epoch);
  }

  async #check(contents: AsyncIterable<Uint8Array>, requiredKeys: readonly string[]): Promise<void> {
    const missing = new Set(requiredKeys);
    let last = Buffer.alloc(0);
    for await (const part of decodeSnapshot(contents)) {
      if (part.kind === 'header') continue;
      if (part.kind !== 'records') throw new StorageError('corrupt', 'the snapshot is one of those between nodes');
      for (const [key, value] of part.records) {
        const bytes = Buffer.from(key);
        if (bytes.length === 0 || bytes.length > KEY_BYTES_MAX || Buffer.compare(last, bytes) >= 0) {
          throw new StorageError('corrupt', 'the keys in the snapshot are out of order, repeated or too long');
        }
        if (bytes.length + value.length > this.#host.entryBytesMax) {
          throw new StorageError('too-large', 'the snapshot holds a value that is larger than max_entry_size allows');
        }
        last = bytes;
        missing.delete(key);
      }
    }
    if (missing.size > 0) throw new StorageError('corrupt', 'the snapshot is not that of an initialised cluster');
  }

  async #restore(
    contents: AsyncIterable<Uint8Array>,
    kept: readonly StateRecord[],
    epoch: Epoch,
  ): Promise<WriteResult> {
    const { index: attempt } = await this.#host.propose(encodeRestore({ kind: 'begin' }), epoch);
    this.#host.log.info('a restore begins', { index: attempt });
    try {
      const steps = await this.#bring(recordsWith(kept, contents), attempt, epoch);
      return await this.#switch(attempt, steps, epoch);
    } catch (error) {
      await this.#abandon(attempt, epoch);
      throw error;
    }
  }

  /** @returns in how many steps */
  async #bring(pages: AsyncIterable<readonly StateRecord[]>, attempt: number, epoch: Epoch): Promise<number> {
    const underWay: Promise<WriteResult>[] = [];
    let sequence = 0;
    let held: StateRecord[] = [];
    let bytes = 0;
    const send = async (): Promise<void> => {
      if (held.length === 0) return;
      const step = this.#host.propose(encodeRestore({ kind: 'stage', attempt, sequence, records: held }), epoch);
      // Its failure is seen when it is awaited.
      step.catch(() => undefined);
      underWay.push(step);
      sequence++;
      held = [];
      bytes = 0;
      if (underWay.length >= STEPS_UNDER_WAY) await underWay.shift();
    };
    for await (const page of pages) {
      for (const record of page) {
        const size = record[0].length + record[1].length;
        if (bytes + size > STEP_BYTES) await send();
        held.push(record);
        bytes += size;
      }
    }
    await send();
    await Promise.all(underWay);
    return sequence;
  }

  async #switch(attempt: number, sequence: number, epoch: Epoch): Promise<WriteResult> {
    this.#host.hold(true);
    try {
      const result = await this.#host.propose(encodeRestore({ kind: 'switch', attempt, sequence }), epoch);
      if (this.#host.disk().root !== attempt) throw new StorageError('conflict', 'the restore was given up');
      return result;
    } finally {
      this.#host.hold(false);
    }
  }

  async #abandon(attempt: number, epoch: Epoch): Promise<void> {
    try {
      await this.#host.propose(encodeRestore({ kind: 'abandon', attempt }), epoch);
    } catch (error) {
      // The next active node does it.
      this.#host.log.warn('what a restore brought could not be given up yet', { error });
    }
  }
}

/** What a snapshot holds, with some records in the place of its own. */
async function* recordsWith(
  kept: readonly StateRecord[],
  contents: AsyncIterable<Uint8Array>,
): AsyncGenerator<readonly StateRecord[]> {
  const replaced = new Set(kept.map(([key]) => key));
  for await (const part of decodeSnapshot(contents)) {
    if (part.kind === 'records') yield part.records.filter(([key]) => !replaced.has(key));
  }
  yield kept;
}
