import { describeBackend } from '@coffer/testing';
import type { BackendUnderTest } from '@coffer/testing';
import { TestCluster, epochOf, until } from './test-cluster.fixture.ts';

/** Entries of the log are bounded, and so is a value. */
const SIZES = { valueBytes: 900 << 10, valueBytesRefused: 1 << 20 };

describeBackend(
  'raft, of one node',
  async (): Promise<BackendUnderTest> => {
    const cluster = await TestCluster.create();
    const node = await cluster.bootstrap('a');
    return {
      backend: node,
      epoch: () => epochOf(cluster.leader()),
      reopen: async () => {
        await cluster.close('a');
        return await cluster.restart('a');
      },
      dispose: () => cluster.destroy(),
    };
  },
  SIZES,
);

describeBackend(
  'raft, of three nodes',
  async (): Promise<BackendUnderTest> => {
    const cluster = await TestCluster.create();
    const [leader] = await cluster.of('a', 'b', 'c');
    if (!leader) throw new Error('a cluster has a node');
    return {
      backend: leader,
      epoch: () => epochOf(leader),
      reopen: async () => {
        const names = [...cluster.nodes.keys()];
        const written = leader.appliedIndex();
        for (const name of names) await cluster.close(name);
        const nodes = await Promise.all(names.map((name) => cluster.restart(name)));
        const elected = await cluster.elected(...nodes);
        await until(() => elected.appliedIndex() >= written);
        return elected;
      },
      dispose: () => cluster.destroy(),
    };
  },
  SIZES,
);
