import { StorageError, type Epoch, type WriteResult } from '@coffer/storage';
import type { LogIndex, Term } from 'raft-ts';

/** So long a node that lost the lead waits to learn from the log what became of its entries, in milliseconds. */
const FATE_MS_MAX = 10_000;

interface Write {
  readonly data: Uint8Array;
  readonly epoch: Epoch;
  readonly resolve: (result: WriteResult) => void;
  readonly reject: (error: StorageError) => void;
}

interface Waiting {
  readonly term: Term;
  readonly resolve: (result: WriteResult) => void;
  readonly reject: (error: StorageError) => void;
  /** When it is given up, by the monotonic clock; set when the lead was lost. */
  doubtAtMs: number | undefined;
  /** Of an earlier reign of this node, at the same index. */
  readonly older: Waiting | undefined;
}

const epochLost = (): StorageError =>
  new StorageError('epoch-lost', 'another node became active before this was written; nothing was written');

/**
 * Writes on their way: queued until the next group is proposed, then waiting for the entry at their index. What is
 * applied there tells their fate, whether or not this node still leads.
 */
export class PendingWrites {
  #queue: Write[] = [];
  readonly #waiting = new Map<LogIndex, Waiting>();
  #oldTerms = false;

  get queued(): number {
    return this.#queue.length;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  queue(data: Uint8Array, epoch: Epoch): Promise<WriteResult> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ data, epoch, resolve, reject });
    });
  }

  /** The next group: what is queued, up to so many bytes, in order. It stays queued until `proposed`. */
  group(bytesMax: number): Uint8Array[] {
    const group: Uint8Array[] = [];
    let bytes = 0;
    for (const { data } of this.#queue) {
      bytes += data.length;
      if (bytes > bytesMax && group.length > 0) break;
      group.push(data);
    }
    return group;
  }

  /** The first `count` queued writes are in the log from an index on. */
  proposed(count: number, first: LogIndex, term: Term): void {
    const writes = count === this.#queue.length ? this.#queue : this.#queue.slice(0, count);
    this.#queue = count === this.#queue.length ? [] : this.#queue.slice(count);
    let index = first;
    for (const { resolve, reject } of writes) {
      this.#wait(index, { term, resolve, reject, doubtAtMs: undefined, older: this.#waiting.get(index) });
      index++;
    }
  }

  /** Waits for an entry that was proposed beside the queue. */
  entry(index: LogIndex, term: Term): Promise<WriteResult> {
    return new Promise((resolve, reject) => {
      this.#wait(index, { term, resolve, reject, doubtAtMs: undefined, older: this.#waiting.get(index) });
    });
  }

  #wait(index: LogIndex, waiting: Waiting): void {
    this.#waiting.set(index, waiting);
  }

  /** An entry took effect: whoever waits for its index knows. */
  applied(index: LogIndex, term: Term): void {
    let waiting = this.#waiting.get(index);
    if (waiting === undefined) return;
    this.#waiting.delete(index);
    for (; waiting !== undefined; waiting = waiting.older) {
      if (waiting.term === term) waiting.resolve({ index });
      else waiting.reject(epochLost());
    }
  }

  /** This node no longer leads: nothing more is proposed, and entries are given up after a while. */
  leadLost(nowMs: number): void {
    this.refuseQueued(epochLost);
    for (const first of this.#waiting.values()) {
      for (let each: Waiting | undefined = first; each !== undefined; each = each.older) {
        each.doubtAtMs ??= nowMs + FATE_MS_MAX;
      }
    }
    this.#oldTerms = this.#waiting.size > 0;
  }

  /** Gives up entries whose fate did not become known in time. */
  expire(nowMs: number): void {
    if (!this.#oldTerms) return;
    let left = false;
    for (const [index, first] of this.#waiting) {
      if (first.doubtAtMs === undefined) continue;
      if (first.doubtAtMs <= nowMs) this.#giveUp(index, first);
      else left = true;
    }
    this.#oldTerms = left;
  }

  /** A snapshot replaced the state up to an index: what became of entries before it cannot be known. */
  replaced(upTo: LogIndex): void {
    for (const [index, first] of this.#waiting) if (index <= upTo) this.#giveUp(index, first);
  }

  refuseQueued(error: () => StorageError): void {
    const refused = this.#queue;
    this.#queue = [];
    for (const write of refused) write.reject(error());
  }

  /** Ends everything: what is in the log is in doubt. */
  abandon(error: () => StorageError): void {
    this.refuseQueued(error);
    for (const [index, first] of this.#waiting) this.#giveUp(index, first);
  }

  #giveUp(index: LogIndex, first: Waiting): void {
    this.#waiting.delete(index);
    for (let each: Waiting | undefined = first; each !== undefined; each = each.older) {
      each.reject(new StorageError('in-doubt', 'this node was cut off: whether the write took effect is not known'));
    }
  }
}
