import type { AesGcmBarrier } from '@coffer/barrier';
import { RequestError } from '@coffer/sdk';
import type { HaCoordinator } from '@coffer/storage';

/** Writes a record of the cluster, on the active node. @throws RequestError `standby`; StorageError */
export async function writeRecord(
  { ha, barrier }: { readonly ha: Pick<HaCoordinator, 'state'>; readonly barrier: AesGcmBarrier },
  key: string,
  value: Uint8Array,
): Promise<void> {
  const state = ha.state();
  if (state.role !== 'active') throw new RequestError('standby');
  await barrier.write({ epoch: state.epoch, ops: [{ kind: 'put', key, value }] });
}
