import type { StoredKeys } from '@coffer/barrier';
import type { StateRecord } from '@coffer/cluster';
import { AssertionFailure } from '@coffer/kernel';
import type { Log } from '@coffer/kernel';

/** Puts another state in the place of the present one, but for some records. */
export type Restore = (kept: readonly StateRecord[]) => Promise<unknown>;

/** What belongs to a restore on the active node. */
export interface RestoringNode {
  readonly log: Log;
  /** Restores so that the members of the cluster go on trusting each other. */
  restoreKept(state: StoredKeys | undefined, restore: Restore): Promise<unknown>;
  /** Resolves when the newest state is served, or the node has sealed itself. */
  served(): Promise<void>;
  /** Whether this node may change what was restored. */
  leads(): boolean;
  /** Adds a new encryption key. */
  rotate(): Promise<unknown>;
}

/**
 * Restores, and resolves when this node serves that state, or has sealed itself.
 *
 * @param state what the state to come stores about its keys
 * @throws what `restore` throws, and nothing once that is done: who asked for it would take the restore itself for undone
 */
export async function restoreOn(node: RestoringNode, state: StoredKeys | undefined, restore: Restore): Promise<void> {
  await node.restoreKept(state, restore);
  await node.served();
  if (!node.leads()) return;
  try {
    // How often the key of the restored state was used since it was saved, nobody knows.
    await node.rotate();
  } catch (error) {
    if (error instanceof AssertionFailure) throw error;
    node.log.warn('after the restore the encryption key could not be rotated: have it rotated', { error });
  }
}
