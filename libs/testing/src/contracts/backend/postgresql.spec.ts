import { silentLog, systemClock, systemRandom } from '@coffer/kernel';
import { RemoteBackend, postgresqlLock, postgresqlStore } from '@coffer/storage-remote';
import type { PostgresqlSettings } from '@coffer/storage-remote';
import { runPostgresql } from '../../databases/index.ts';
import type { RunningPostgresql } from '../../databases/index.ts';
import { describeBackend } from './describe-backend.ts';

let server: RunningPostgresql;
let tables = 0;

beforeAll(async () => {
  server = await runPostgresql();
}, 60_000);

afterAll(() => server.program.remove());

const settingsOf = (table: string): PostgresqlSettings => ({
  connectionUrl: server.url,
  parallelMax: 8,
  idleMax: 2,
  connectRetries: 3,
  table,
  lockTable: `${table}_lock`,
  createsTables: true,
});

async function openNode(table: string, withLock: boolean): Promise<RemoteBackend> {
  const settings = settingsOf(table);
  const node = new RemoteBackend({
    store: postgresqlStore(settings, systemClock, silentLog),
    lock: withLock ? postgresqlLock(settings, systemClock, silentLog) : undefined,
    self: { nodeId: 'n1', apiAddress: 'http://127.0.0.1:8200', clusterAddress: 'https://127.0.0.1:8201' },
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
  });
  await node.open();
  return node;
}

async function activate(node: RemoteBackend): Promise<void> {
  node.ha.start();
  await node.ha.settled(AbortSignal.timeout(10_000));
  if (node.ha.state().role !== 'active') throw new Error('not active');
}

for (const [name, withLock] of [
  ['postgresql', true],
  ['postgresql for one node', false],
] as const) {
  describeBackend(
    name,
    async () => {
      const table = `store_${String(++tables)}`;
      let node = await openNode(table, withLock);
      await activate(node);
      return {
        backend: node,
        epoch: () => {
          const state = node.ha.state();
          return state.role === 'active' ? state.epoch : 0;
        },
        reopen: async () => {
          await node.close();
          node = await openNode(table, withLock);
          return node;
        },
        dispose: () => node.close(),
      };
    },
    { valueBytes: 4 << 20, valueBytesRefused: 65 << 20 },
  );
}
