import { silentLog, systemClock, systemRandom } from '@coffer/kernel';
import type { RaftNode } from '../cluster.ts';
import { openRaftNode } from '../open-raft-node.ts';
import { FakeNetwork } from './fake-network.fixture.ts';
import { TestCluster } from './test-cluster.fixture.ts';

/** A node by itself in a folder, for a process that is killed at any instant and started again on the same folder. */
export async function openDoomedNode(path: string): Promise<RaftNode> {
  const cluster = await TestCluster.create({ logEntriesMax: 300 });
  const node = openRaftNode({
    config: { ...cluster.config('killed'), path },
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    transport: new FakeNetwork().transport('killed'),
  });
  await cluster.destroy();
  await node.open();
  if (node.clusterId() === undefined) await node.bootstrap('killed');
  else await node.connect({ caCertificate: '', caKey: undefined as never });
  return node;
}
