/** A process whose raft core breaks an invariant at its first tick. */
import { AssertionFailure, silentLog, systemClock, systemRandom } from '@coffer/kernel';
import { createRaft } from 'raft-ts';
import { RaftBackend } from './raft-backend.ts';
import { FakeNetwork } from './fake-network.fixture.ts';
import { TestCluster } from './test-cluster.fixture.ts';

const [, , path] = process.argv as [string, string, string];
const cluster = await TestCluster.create();
const config = { ...cluster.config('defect'), path };
await cluster.destroy();
const node = new RaftBackend({
  config,
  clock: systemClock,
  random: systemRandom,
  log: silentLog,
  transport: new FakeNetwork().transport('defect'),
  createRaft: (...given) => {
    const raft = createRaft(...given);
    raft.tick = () => {
      throw new AssertionFailure('the sky stays up');
    };
    return raft;
  },
});
await node.open();
await node.bootstrap('c').catch(() => undefined);
// Only the defect ends this process in time.
setTimeout(() => process.exit(0), 10_000);
