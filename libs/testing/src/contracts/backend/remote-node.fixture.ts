import { silentLog, systemClock, systemRandom } from '@coffer/kernel';
import { RemoteBackend } from '@coffer/storage-remote';
import type { LockStore, RemoteStore } from '@coffer/storage-remote';
import type { BackendUnderTest } from './trial.ts';

/** A node on a real database. @param lock undefined: no other node uses the storage */
export async function openRemoteNode(store: RemoteStore, lock: LockStore | undefined): Promise<RemoteBackend> {
  const node = new RemoteBackend({
    store,
    lock,
    self: { nodeId: 'n1', apiAddress: 'http://127.0.0.1:8200', clusterAddress: 'https://127.0.0.1:8201' },
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
  });
  await node.open();
  return node;
}

/** The node, active, as the contract wants it. @param open opens another one on the same data */
export async function activeRemoteNode(open: () => Promise<RemoteBackend>): Promise<BackendUnderTest> {
  let node = await open();
  node.ha.start();
  await node.ha.settled(AbortSignal.timeout(10_000));
  if (node.ha.state().role !== 'active') throw new Error('not active');
  return {
    backend: node,
    epoch: () => {
      const state = node.ha.state();
      return state.role === 'active' ? state.epoch : 0;
    },
    reopen: async () => {
      await node.close();
      node = await open();
      return node;
    },
    dispose: () => node.close(),
  };
}
