import { silentLog, systemRandom } from '@coffer/kernel';
import type { Clock } from '@coffer/kernel';
import { InmemBackend } from '@coffer/storage';
import type { HaState, WriteOp } from '@coffer/storage';
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
  /** Reads answer by promises, one turn later. */
  slow = false;

  override get(key: string): Uint8Array | undefined {
    this.reads++;
    const value = super.get(key);
    // As a store over a network has it; the class that is extended answers at once.
    return this.slow ? (new Promise((resolve) => setImmediate(resolve, value)) as never) : value;
  }

  /** Puts something there behind the barrier's back. */
  async tamper(ops: readonly WriteOp[]): Promise<void> {
    await this.write({ ops, epoch: 1 });
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
