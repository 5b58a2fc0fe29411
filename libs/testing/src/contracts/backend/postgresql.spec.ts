import { silentLog, systemClock } from '@coffer/kernel';
import { postgresqlLock, postgresqlStore } from '@coffer/storage-remote';
import type { PostgresqlSettings, RemoteBackend } from '@coffer/storage-remote';
import { runPostgresql } from '../../databases/index.ts';
import type { RunningPostgresql } from '../../databases/index.ts';
import { describeBackend } from './describe-backend.ts';
import { activeRemoteNode, openRemoteNode } from './remote-node.fixture.ts';

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

function openNode(table: string, withLock: boolean): Promise<RemoteBackend> {
  const settings = settingsOf(table);
  const lock = withLock ? postgresqlLock(settings, systemClock, silentLog) : undefined;
  return openRemoteNode(postgresqlStore(settings, systemClock, silentLog), lock);
}

for (const [name, withLock] of [
  ['postgresql', true],
  ['postgresql for one node', false],
] as const) {
  describeBackend(
    name,
    () => {
      const table = `store_${String(++tables)}`;
      return activeRemoteNode(() => openNode(table, withLock));
    },
    { valueBytes: 4 << 20, valueBytesRefused: 65 << 20 },
  );
}
