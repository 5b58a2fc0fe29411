import { sleep } from '@coffer/kernel';
import type { Clock, Log, Random } from '@coffer/kernel';
import { StorageError } from '@coffer/storage';
import type { Epoch, WriteBatch, WriteOp, WriteResult } from '@coffer/storage';
import type { Group, RemoteStore } from '../remote-store.ts';
import type { AppliedFeed } from './applied-feed.ts';

interface Waiting {
  readonly batch: WriteBatch;
  readonly bytes: number;
  readonly resolve: (result: WriteResult) => void;
  readonly reject: (error: StorageError) => void;
}

/** The reign that this node writes in. */
interface Reign {
  readonly epoch: Epoch;
}

export interface GroupWriterParts {
  readonly store: RemoteStore;
  readonly feed: AppliedFeed;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** The store refused this node's epoch, or cannot be written to any more. */
  readonly lost: (epoch: Epoch, why: string) => void;
}

/** So long it is asked again what came of a group whose answer was lost, in milliseconds. */
export const DOUBT_MS_MAX = 10_000;
const ASK_AGAIN_MS = 100;
/** The feed keeps at least so many batches; nodes that were away for longer read everything anew. */
const FEED_KEPT = 20_000;
/** The feed is cut after so many groups. */
const TRIM_EVERY_GROUPS = 2_000;

/**
 * Writes batches in the order of the calls: those that come while a group is on its way form the next one. A group is
 * repeated when its answer was lost, which is safe: the store compares the index before it. So a write is in doubt only
 * if the database stays away.
 */
export class GroupWriter {
  readonly #parts: GroupWriterParts;
  #queue: Waiting[] = [];
  #reign: Reign | undefined;
  #running: Promise<void> | undefined;
  #underWay: Promise<boolean> | undefined;
  #groups = 0;

  constructor(parts: GroupWriterParts) {
    this.#parts = parts;
  }

  /** Batches of this epoch are taken from now on; the feed has reached the store's head. */
  begin(epoch: Epoch): void {
    this.#reign = { epoch };
  }

  /** No more batches are taken; those that no answer can be given for are refused: none of them was sent. */
  end(): void {
    this.#reign = undefined;
    for (const { reject } of this.#queue.splice(0)) reject(notActive());
  }

  /** Until nothing is on its way. */
  async settled(): Promise<void> {
    while (this.#running) await this.#running;
  }

  /**
   * The group that was sent and not answered, if there is one: others may see it already. Resolves once this node has
   * told of it, or to false where it was not written or nobody knows.
   */
  underWay(): Promise<boolean> | undefined {
    return this.#underWay;
  }

  write(batch: WriteBatch): Promise<WriteResult> {
    const refusal = this.#refusal(batch);
    if (refusal) return Promise.reject(refusal);
    // The caller may use its buffers again once it has the answer, not before.
    return new Promise((resolve, reject) => {
      this.#queue.push({ batch, bytes: bytesOf(batch.ops), resolve, reject });
      this.#run();
    });
  }

  #refusal({ ops, epoch }: WriteBatch): StorageError | undefined {
    if (this.#reign === undefined) return notActive();
    if (epoch !== this.#reign.epoch) return epochLost();
    const { keysMax, bytesMax, valueBytesMax, advice } = this.#parts.store.limits;
    if (ops.length > keysMax)
      return new StorageError(
        'too-large',
        `a batch changes ${String(ops.length)} keys; the storage takes ${String(keysMax)}: ${advice}`,
      );
    if (bytesOf(ops) > bytesMax)
      return new StorageError(
        'too-large',
        `a batch has more than the ${String(bytesMax)} bytes it may have: ${advice}`,
      );
    if (ops.some((op) => op.kind === 'put' && op.value.length > valueBytesMax))
      return new StorageError('too-large', `a value has more than the ${String(valueBytesMax)} bytes it may have`);
    return undefined;
  }

  #run(): void {
    if (this.#running || this.#queue.length === 0) return;
    this.#running = this.#writeAll().finally(() => {
      this.#running = undefined;
      this.#run();
    });
  }

  async #writeAll(): Promise<void> {
    // Who writes in the same turn shares the group.
    await Promise.resolve();
    while (this.#reign !== undefined && this.#queue.length > 0) await this.#writeGroup(this.#reign, this.#take());
  }

  #take(): readonly Waiting[] {
    const { keysAtOnce, bytesAtOnce } = this.#parts.store.limits;
    let keys = 0;
    let bytes = 0;
    let count = 0;
    for (const waiting of this.#queue) {
      keys += waiting.batch.ops.length;
      bytes += waiting.bytes;
      if (count > 0 && (keys > keysAtOnce || bytes > bytesAtOnce)) break;
      count++;
    }
    return this.#queue.splice(0, count);
  }

  async #writeGroup({ epoch }: Reign, waiting: readonly Waiting[]): Promise<void> {
    const { feed, random } = this.#parts;
    const changes = new Map<string, Uint8Array | undefined>();
    for (const { batch } of waiting)
      for (const op of batch.ops) changes.set(op.key, op.kind === 'put' ? op.value : undefined);
    const group: Group = {
      id: random.uuid(),
      epoch,
      after: feed.index,
      batches: waiting.map(({ batch }) => batch.ops.map(({ key }) => key)),
      changes,
    };
    const { promise, resolve: over } = Promise.withResolvers<boolean>();
    this.#underWay = promise;
    const failure = await this.#commit(group);
    if (!failure) feed.tell(group.after + 1, group.batches);
    this.#underWay = undefined;
    over(!failure);
    if (failure) {
      for (const { reject } of waiting) reject(failure);
      return;
    }
    for (const [at, { resolve }] of waiting.entries()) resolve({ index: group.after + 1 + at });
    this.#trimSometimes(group.after);
  }

  /** @returns why it was not written, if so */
  async #commit(group: Group): Promise<StorageError | undefined> {
    const { store, clock, log } = this.#parts;
    const untilMs = clock.monotonicMs() + DOUBT_MS_MAX;
    for (let sentBefore = false; ; sentBefore = true) {
      try {
        if (await store.commit(group)) return undefined;
        if (sentBefore && (await store.holds(group))) return undefined;
        return this.#fenced(group);
      } catch (error) {
        // Refused now, it may have been taken before.
        if (error instanceof StorageError && !sentBefore) return this.#refused(error);
        log.warn('the storage cannot be reached, or its answer was lost: asking again', { error });
        if (clock.monotonicMs() > untilMs || (error instanceof StorageError && error.code === 'closed')) {
          this.#lose(group.epoch, 'the storage cannot be reached');
          return new StorageError('in-doubt', 'the storage did not say whether a batch was written', { cause: error });
        }
        await sleep(clock, ASK_AGAIN_MS);
      }
    }
  }

  /** The head is not where this node left it: another one writes now, and nothing of this group can be written any more. */
  #fenced({ epoch }: Group): StorageError {
    this.#lose(epoch, 'another node writes to the storage now');
    return epochLost();
  }

  /** By now there may be a later reign of this node, which has nothing to do with it. */
  #lose(epoch: Epoch, why: string): void {
    if (this.#reign?.epoch === epoch) this.end();
    this.#parts.lost(epoch, why);
  }

  #refused(error: StorageError): StorageError {
    this.#parts.log.error('the storage refused a write', { error });
    return error;
  }

  #trimSometimes(index: number): void {
    if (++this.#groups % TRIM_EVERY_GROUPS !== 0 || index <= FEED_KEPT) return;
    this.#parts.store.trim(index - FEED_KEPT).catch((error: unknown) => {
      this.#parts.log.warn('the feed of changes could not be cut; it is tried again later', { error });
    });
  }
}

function bytesOf(ops: readonly WriteOp[]): number {
  let bytes = 0;
  // The key stands in the feed, too.
  for (const op of ops) bytes += 2 * Buffer.byteLength(op.key) + (op.kind === 'put' ? op.value.length : 0);
  return bytes;
}

const notActive = (): StorageError => new StorageError('not-active', 'this node is not the active one');
const epochLost = (): StorageError =>
  new StorageError('epoch-lost', 'this was judged under an epoch that is over; nothing was written');
