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

/** Connections for what one asks for at a time. */
const FEW = { parallelMax: 2, idleMax: 1 } as const;

/** A store in a PostgreSQL database; nothing happens before `open`. */
export function postgresqlStore(settings: PostgresqlSettings, clock: Clock, log: Log): RemoteStore {
  const connections = new Connections(settings, clock, log);
  return new PostgresqlStore(connections, new Connections({ ...settings, ...FEW }, clock, log), settings);
}

/** A lock in a PostgreSQL database, with connections of its own: signs of life do not queue behind data. */
export function postgresqlLock(settings: PostgresqlSettings, clock: Clock, log: Log): LockStore {
  const connections = new Connections({ ...settings, ...FEW }, clock, log);
  return new PostgresqlLock(connections, { table: settings.lockTable, createsTables: settings.createsTables });
}
