import { silentLog, systemRandom } from '@coffer/kernel';
import type { Clock } from '@coffer/kernel';
import { InmemBackend } from '@coffer/storage';
import type { AppliedListener, HaState, WriteBatch, WriteOp, WriteResult } from '@coffer/storage';
import { AesGcmBarrier } from './aes-gcm-barrier.ts';
import type { BarrierDeps } from './aes-gcm-barrier.ts';
import { ShamirSealManager } from './shamir-seal-manager.ts';

export const ACTIVE: HaState = { role: 'active', epoch: 1, sinceMs: 0 };

/** Stands still. */
export const stillClock: Clock = {
  nowMs: () => 1_700_000_000_000,
  monotonicMs: () => 0,
  after: () => () => undefined,
  every: () => () => undefined,
};

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
export const text = (value: Uint8Array | undefined): string | undefined =>
  value === undefined ? undefined : new TextDecoder().decode(value);

/** A store that counts reads and can be told to answer later. */
export class WatchedBackend extends InmemBackend {
  reads = 0;
  /** After how many turns of the loop a key is answered, by a promise; undefined: at once. */
  turns: (key: string) => number | undefined = () => undefined;
  /** Whether such an answer is what the store holds at its end, not at its beginning. */
  readsLate = false;
  readonly #listeners = new Set<AppliedListener>();
  #isMuted = false;

  override get(key: string): Uint8Array | undefined {
    this.reads++;
    const turns = this.turns(key);
    if (turns === undefined) return super.get(key);
    const early = super.get(key);
    const answer = async (): Promise<Uint8Array | undefined> => {
      for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
      return this.readsLate ? super.get(key) : early;
    };
    // As a store over a network has it; the class that is extended answers at once.
    return answer() as never;
  }

  /** After how many turns of the loop a write is acknowledged; it takes effect at once. */
  acknowledgeTurns = 0;

  override async write(batch: WriteBatch): Promise<WriteResult> {
    const result = await super.write(batch);
    for (let turn = 0; turn < this.acknowledgeTurns; turn++) await new Promise((resolve) => setImmediate(resolve));
    return result;
  }

  override subscribe(listener: AppliedListener): () => void {
    const heard: AppliedListener = (batch) => {
      if (!this.#isMuted) listener(batch);
    };
    this.#listeners.add(listener);
    const stop = super.subscribe(heard);
    return () => {
      this.#listeners.delete(listener);
      stop();
    };
  }

  /** Puts something there behind the barrier's back. */
  async tamper(ops: readonly WriteOp[]): Promise<void> {
    await this.write({ ops, epoch: 1 });
  }

  /** As when a snapshot is installed: everything changes, and nobody is told which keys. */
  async replace(ops: readonly WriteOp[]): Promise<void> {
    this.#isMuted = true;
    await this.tamper(ops);
    this.#isMuted = false;
    for (const listener of this.#listeners) listener({ index: this.appliedIndex(), keys: [], everything: true });
  }
}

/** One node of those that share a store, as replicas do. */
export function makeNode(
  backend: WatchedBackend,
  options: Partial<BarrierDeps> = {},
): { readonly barrier: AesGcmBarrier; readonly seal: ShamirSealManager } {
  const ha = { state: () => ACTIVE };
  const barrier = new AesGcmBarrier({
    backend,
    ha,
    clock: stillClock,
    random: systemRandom,
    log: silentLog,
    cacheBytesMax: 1 << 20,
    ...options,
  });
  return { barrier, seal: new ShamirSealManager({ barrier, backend, ha, random: systemRandom }) };
}

export async function put(barrier: AesGcmBarrier, key: string, value: string): Promise<void> {
  await barrier.write({ epoch: 1, ops: [{ kind: 'put', key, value: bytes(value) }] });
}

export async function read(barrier: AesGcmBarrier, key: string): Promise<string | undefined> {
  return text(await barrier.get(key));
}
