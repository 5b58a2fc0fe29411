import { silentLog, systemClock } from '@coffer/kernel';
import { postgresqlLock, postgresqlStore } from '@coffer/storage-remote';
import type { PostgresqlSettings } from '@coffer/storage-remote';
import { runPgbouncer, runPostgresql } from '../../databases/index.ts';
import type { RunningPgbouncer, RunningPostgresql } from '../../databases/index.ts';
import { describeBackend } from './describe-backend.ts';
import { activeRemoteNode, openRemoteNode } from './remote-node.fixture.ts';

let server: RunningPostgresql;
let pooler: RunningPgbouncer;
let tables = 0;

beforeAll(async () => {
  server = await runPostgresql();
  pooler = await runPgbouncer(server);
}, 60_000);

afterAll(async () => {
  await pooler.program.remove();
  await server.program.remove();
});

const settingsOf = (table: string): PostgresqlSettings => ({
  connectionUrl: pooler.url,
  parallelMax: 8,
  idleMax: 4,
  connectRetries: 0,
  table,
  lockTable: `${table}_lock`,
  createsTables: true,
});

describeBackend(
  'postgresql behind PgBouncer, which lends its connections for a transaction',
  () => {
    const settings = settingsOf(`pooled_${String(++tables)}`);
    return activeRemoteNode(() =>
      openRemoteNode(
        postgresqlStore(settings, systemClock, silentLog),
        postgresqlLock(settings, systemClock, silentLog),
      ),
    );
  },
  { valueBytes: 4 << 20, valueBytesRefused: 65 << 20 },
);
