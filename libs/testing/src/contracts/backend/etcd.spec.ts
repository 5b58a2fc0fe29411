import { silentLog, systemClock } from '@coffer/kernel';
import { etcdLock, etcdStore } from '@coffer/storage-remote';
import type { EtcdSettings, RemoteBackend } from '@coffer/storage-remote';
import { runEtcd } from '../../databases/index.ts';
import type { RunningEtcd } from '../../databases/index.ts';
import { describeBackend } from './describe-backend.ts';
import { activeRemoteNode, openRemoteNode } from './remote-node.fixture.ts';

let server: RunningEtcd;
let stores = 0;

beforeAll(async () => {
  server = await runEtcd();
}, 60_000);

afterAll(() => server.program.remove());

function openNode(path: string): Promise<RemoteBackend> {
  const settings: EtcdSettings = { addresses: [server.url], path, requestMsMax: 5000 };
  return openRemoteNode(etcdStore(settings, systemClock, silentLog), etcdLock(settings, systemClock, silentLog));
}

describeBackend(
  'etcd',
  () => {
    const path = `/store-${String(++stores)}/`;
    return activeRemoteNode(() => openNode(path));
  },
  { valueBytes: 1_400_000, valueBytesRefused: 1_500_000 },
);
