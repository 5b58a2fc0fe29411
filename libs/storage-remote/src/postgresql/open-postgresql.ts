import type { Clock, Log } from '@coffer/kernel';
import type { LockStore, RemoteStore } from '../remote-store.ts';
import { Connections } from './connections.ts';
import type { ConnectionSettings } from './connections.ts';
import { PostgresqlLock } from './postgresql-lock.ts';
import { PostgresqlStore } from './postgresql-store.ts';

export { isTableName } from './names.ts';

/** `storage "postgresql"`. */
export interface PostgresqlSettings extends ConnectionSettings {
  /** Of the values; its companions are named `…_head` and `…_feed`. */
  readonly table: string;
  /** Of the election. */
  readonly lockTable: string;
  /** Whether tables that are missing are created. */
  readonly createsTables: boolean;
}

/** A store in a PostgreSQL database; nothing happens before `open`. */
export function postgresqlStore(settings: PostgresqlSettings, clock: Clock, log: Log): RemoteStore {
  return new PostgresqlStore(new Connections(settings, clock, log), settings);
}

/** A lock in a PostgreSQL database, with connections of its own: signs of life do not queue behind data. */
export function postgresqlLock(settings: PostgresqlSettings, clock: Clock, log: Log): LockStore {
  const connections = new Connections({ ...settings, parallelMax: 2, idleMax: 1 }, clock, log);
  return new PostgresqlLock(connections, { table: settings.lockTable, createsTables: settings.createsTables });
}
