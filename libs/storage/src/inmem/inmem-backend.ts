import { StorageError } from '../backend.ts';
import type { AppliedListener, Backend, KeyRange, ListOptions, WriteBatch, WriteResult } from '../backend.ts';
import type { HaCoordinator, HaState, NodeAddress } from '../ha.ts';
import { refuseKeys } from '../refuse-keys.ts';
import { SortedKeys, compareKeys } from './sorted-keys.ts';

/** Keeps everything in memory: development servers and tests. Durable only as long as the process. */
export class InmemBackend implements Backend {
  readonly kind = 'inmem';
  readonly #values = new Map<string, Uint8Array>();
  readonly #keys = new SortedKeys();
  readonly #listeners = new Set<AppliedListener>();
  readonly #epoch: () => number;
  #index = 0;
  #closed = false;

  /** @param epoch the epoch that batches must be of; 1, always, if left out */
  constructor(epoch: () => number = () => 1) {
    this.#epoch = epoch;
  }

  get(key: string): Uint8Array | undefined {
    this.#refuseClosed();
    return this.#values.get(key);
  }

  list(prefix: string, options: ListOptions = {}): string[] {
    this.#refuseClosed();
    const names: string[] = [];
    const { after, limit = Number.POSITIVE_INFINITY } = options;
    let key = this.#keys.atOrAfter(after === undefined ? prefix : prefix + after);
    while (key?.startsWith(prefix) && names.length < limit) {
      const rest = key.slice(prefix.length);
      const slash = rest.indexOf('/');
      const name = slash === -1 ? rest : rest.slice(0, slash + 1);
      if (name !== '' && (after === undefined || compareKeys(name, after) > 0)) names.push(name);
      // A folder is skipped whole: '0' follows '/'.
      key = this.#keys.atOrAfter(slash === -1 ? `${key}\u0000` : `${prefix}${rest.slice(0, slash)}0`);
    }
    return names;
  }

  keys(range: KeyRange): string[] {
    this.#refuseClosed();
    const found: string[] = [];
    const limit = range.limit ?? Number.POSITIVE_INFINITY;
    if (limit <= 0) return found;
    for (const key of this.#keys.from(range.from)) {
      if (compareKeys(key, range.to) >= 0) break;
      found.push(key);
      if (found.length >= limit) break;
    }
    return found;
  }

  write(batch: WriteBatch): Promise<WriteResult> {
    const refusal = this.#refusal(batch);
    if (refusal) return Promise.reject(refusal);
    for (const op of batch.ops) {
      if (op.kind === 'put') {
        this.#values.set(op.key, new Uint8Array(op.value));
        this.#keys.add(op.key);
      } else if (this.#values.delete(op.key)) this.#keys.delete(op.key);
    }
    const index = ++this.#index;
    const applied = { index, keys: batch.ops.map((op) => op.key) };
    for (const listener of [...this.#listeners]) listener(applied);
    return Promise.resolve({ index });
  }

  #refusal(batch: WriteBatch): StorageError | undefined {
    if (this.#closed) return closed();
    if (batch.epoch !== this.#epoch()) return new StorageError('epoch-lost', 'the batch is of another epoch');
    return refuseKeys(batch.ops);
  }

  readBarrier(): void {
    this.#refuseClosed();
  }

  subscribe(listener: AppliedListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  appliedIndex(): number {
    return this.#index;
  }

  close(): Promise<void> {
    this.#closed = true;
    this.#values.clear();
    this.#keys.clear();
    return Promise.resolve();
  }

  #refuseClosed(): void {
    if (this.#closed) throw closed();
  }
}

const closed = (): StorageError => new StorageError('closed', 'the store is closed');

/** The coordinator of a store that no other node shares: this one is active from the start. */
export function alwaysActive(self: NodeAddress, sinceMs: number): HaCoordinator {
  const state: HaState = { role: 'active', epoch: 1, sinceMs };
  return {
    enabled: false,
    self,
    state: () => state,
    onChange: () => () => undefined,
    stepDown: () => Promise.resolve(),
  };
}
