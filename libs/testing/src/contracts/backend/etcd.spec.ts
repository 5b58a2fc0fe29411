import { silentLog, systemClock, systemRandom } from '@coffer/kernel';
import { RemoteBackend, etcdLock, etcdStore } from '@coffer/storage-remote';
import type { EtcdSettings } from '@coffer/storage-remote';
import { runEtcd } from '../../databases/index.ts';
import type { RunningEtcd } from '../../databases/index.ts';
import { describeBackend } from './describe-backend.ts';

let server: RunningEtcd;
let stores = 0;

beforeAll(async () => {
  server = await runEtcd();
}, 60_000);

afterAll(() => server.program.remove());

async function openNode(path: string): Promise<RemoteBackend> {
  const settings: EtcdSettings = { addresses: [server.url], path, requestMsMax: 5000 };
  const node = new RemoteBackend({
    store: etcdStore(settings, systemClock, silentLog),
    lock: etcdLock(settings, systemClock, silentLog),
    self: { nodeId: 'n1', apiAddress: 'http://127.0.0.1:8200', clusterAddress: 'https://127.0.0.1:8201' },
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
  });
  await node.open();
  return node;
}

describeBackend(
  'etcd',
  async () => {
    const path = `/store-${String(++stores)}/`;
    let node = await openNode(path);
    node.ha.start();
    await node.ha.settled(AbortSignal.timeout(10_000));
    return {
      backend: node,
      epoch: () => {
        const state = node.ha.state();
        return state.role === 'active' ? state.epoch : 0;
      },
      reopen: async () => {
        await node.close();
        node = await openNode(path);
        return node;
      },
      dispose: () => node.close(),
    };
  },
  { valueBytes: 1_400_000, valueBytesRefused: 1_500_000 },
);
