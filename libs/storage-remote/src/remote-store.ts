import type { Epoch, KeyRange, ListOptions, NodeAddress } from '@coffer/storage';

/** Where a store stands. It changes by single steps that are compared before they are made. */
export interface Head {
  /** The highest epoch that ever claimed the store; batches of others are refused. */
  readonly epoch: Epoch;
  /** Of the newest batch; 0 before the first. */
  readonly index: number;
}

/** What was read, and the index of the newest batch in the very state that it was read from. */
export interface Dated<T> {
  readonly value: T;
  readonly index: number;
}

/** Batches that are written as one. */
export interface Group {
  /** Tells a group that was written from one that was not, when the answer was lost. */
  readonly id: string;
  readonly epoch: Epoch;
  /** The index before it. */
  readonly after: number;
  /** The keys of each batch, in order; the first has index `after + 1`. */
  readonly batches: readonly (readonly string[])[];
  /** What comes of all of them: the value of each key, undefined where it is deleted. */
  readonly changes: ReadonlyMap<string, Uint8Array | undefined>;
}

/** A group as the feed tells it. */
export interface FedGroup {
  readonly id: string;
  /** Index of its first batch. */
  readonly first: number;
  readonly batches: readonly (readonly string[])[];
}

/** What happened since an index, and where the store stands in the same state. */
export interface Feed {
  readonly head: Head;
  /** In order; none if the feed does not reach back far enough. */
  readonly groups: readonly FedGroup[];
}

/** How large batches may be, and groups of them. */
export interface GroupLimits {
  /** Keys that one batch changes, at most. */
  readonly keysMax: number;
  /** Bytes of the keys and values of one batch together. */
  readonly bytesMax: number;
  /** Bytes of one value. */
  readonly valueBytesMax: number;
  /** Batches are put together to a group up to so many keys and bytes. */
  readonly keysAtOnce: number;
  readonly bytesAtOnce: number;
  /** What an operator can do about a batch that is larger. */
  readonly advice: string;
}

/**
 * A database in the place of our own engine: values, a head, and a feed of what changed. It orders nothing and elects
 * nobody; `RemoteBackend` and `LockElection` do that on top. Every method may throw `Unreachable`: then nobody knows
 * whether it took effect. All reads are of the newest committed state, and of one state each.
 */
export interface RemoteStore {
  /** As in a configuration file. */
  readonly kind: string;
  readonly limits: GroupLimits;
  /** Connects and prepares what is missing. @throws StorageError where what is found there is not ours */
  open(): Promise<void>;
  head(): Promise<Head>;
  get(key: string): Promise<Dated<Uint8Array | undefined>>;
  list(prefix: string, options: ListOptions): Promise<Dated<string[]>>;
  keys(range: KeyRange): Promise<Dated<string[]>>;
  /**
   * Writes a group if the head is of its epoch and has the index before it, otherwise nothing. Repeated after an answer
   * was lost it cannot take effect twice.
   *
   * @returns whether it was written by this very call
   * @throws StorageError where the store refused it: nothing was written
   */
  commit(group: Group): Promise<boolean>;
  /** Raises the epoch of the head, if it is lower. @returns the head afterwards */
  claim(epoch: Epoch): Promise<Head>;
  /** What came after an index. */
  feed(after: number): Promise<Feed>;
  /** Whether the feed holds a group. */
  holds(group: Pick<Group, 'id' | 'after'>): Promise<boolean>;
  /** Forgets groups of the feed up to an index. */
  trim(upTo: number): Promise<void>;
  /** Calls back soon after something was written, as far as the store can tell; a poll finds the rest. */
  onHint(listener: () => void): void;
  close(): Promise<void>;
}

/** Who is active, as all nodes see it. */
export interface LockRecord {
  /** Raised by each new holder: the fencing token. */
  readonly epoch: Epoch;
  /** Raised by one with every change: the holder shows by it that it lives. */
  readonly beat: number;
  /** Undefined: given back. */
  readonly holder: LockHolder | undefined;
}

export interface LockHolder {
  /** One process between start and end. */
  readonly session: string;
  readonly address: NodeAddress;
  /** So long it trusts itself after a beat, with a margin, in milliseconds: who would replace it waits for as long. */
  readonly leaseMs?: number;
}

/** One record that is changed by comparing: all that an election needs. Every method may throw `Unreachable`. */
export interface LockStore {
  readonly kind: string;
  open(): Promise<void>;
  read(): Promise<LockRecord | undefined>;
  /** Writes if the record there has the beat before this one's (or is none, for beat 1). @returns whether it did */
  write(record: LockRecord): Promise<boolean>;
  onHint(listener: () => void): void;
  close(): Promise<void>;
}

/** The database cannot be asked, or its answer was lost: what was asked for may have taken effect. */
export class Unreachable extends Error {
  override readonly name = 'Unreachable';
}
