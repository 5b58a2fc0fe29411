import { StorageError } from '@coffer/storage';
import type { CancelTimer, Clock, Log } from '@coffer/kernel';
import type { Client, ClientBase, Pool, QueryResult } from 'pg';
import { Unreachable } from '../remote-store.ts';
import { failureOf } from './server-failure.ts';

export interface ConnectionSettings {
  /** `postgres://user:password@host:port/database?sslmode=verify-full&sslrootcert=…`; secret. */
  readonly connectionUrl: string;
  readonly parallelMax: number;
  /** Connections that are kept though nothing uses them. */
  readonly idleMax: number;
  /** Attempts to reach the database at the start, beside the first. */
  readonly connectRetries: number;
}

const CONNECT_MS_MAX = 5000;
const QUERY_MS_MAX = 10_000;
const IDLE_MS_MAX = 30_000;
const LISTEN_AGAIN_MS = 1000;
/** Before another attempt at the start. */
const CONNECT_AGAIN_MS = 1000;

/**
 * Connections to one database: a pool, and one that listens. Behind a pooler that lends server connections for a
 * transaction each (PgBouncer), a session has no state to rely on: statements are not prepared by name, and nobody listens.
 */
export class Connections {
  readonly #settings: ConnectionSettings;
  readonly #clock: Clock;
  readonly #log: Log;
  #pool: Pool | undefined;
  #listener: Client | undefined;
  #cancelListen: CancelTimer | undefined;
  #pooled = false;
  #closed = false;

  constructor(settings: ConnectionSettings, clock: Clock, log: Log) {
    this.#settings = settings;
    this.#clock = clock;
    this.#log = log;
  }

  /** @throws StorageError if the database cannot be reached or refuses this user */
  async open(): Promise<void> {
    const { Pool: PoolClass } = (await import('pg')).default;
    const { connectionUrl, parallelMax, idleMax, connectRetries } = this.#settings;
    const pool = new PoolClass({
      connectionString: connectionUrl,
      application_name: 'coffer',
      max: parallelMax,
      min: Math.min(idleMax, parallelMax),
      idleTimeoutMillis: IDLE_MS_MAX,
      connectionTimeoutMillis: CONNECT_MS_MAX,
      query_timeout: QUERY_MS_MAX,
      keepAlive: true,
      onConnect: (client) => this.#meet(client),
    });
    // A connection that ends while it is idle; the next query takes another one.
    pool.on('error', (error) => this.#log.debug('a connection to the database ended', { error }));
    this.#pool = pool;
    for (let attempt = 0; ; attempt++) {
      try {
        const { rows } = await this.query({ text: 'SELECT pg_is_in_recovery() AS replica' });
        if ((rows[0] as { readonly replica: boolean }).replica)
          throw new StorageError('disk', 'the database is a replica that cannot be written to: name the primary');
        return;
      } catch (error) {
        if (!(error instanceof Unreachable)) throw error;
        if (attempt >= connectRetries)
          throw new StorageError('disk', `the database cannot be reached: ${error.message}`, { cause: error });
        this.#log.warn('the database cannot be reached yet', { error });
        await new Promise<void>((resolve) => void this.#clock.after(CONNECT_AGAIN_MS, resolve));
      }
    }
  }

  /** A pooler answers for itself when a session begins: the server's own process has another number. */
  async #meet(client: ClientBase): Promise<void> {
    if (this.#pooled) return;
    const { rows } = await client.query<{ readonly pid: number }>('SELECT pg_backend_pid() AS pid');
    const { processID } = client as ClientBase & { readonly processID?: number | null };
    if (rows[0]?.pid === processID) return;
    this.#pooled = true;
    this.#log.info('a pooler stands before the database: statements are not prepared, and news are asked for');
  }

  /**
   * @param config `name` prepares the statement once a connection, where that can be
   * @throws Unreachable: it may have taken effect; StorageError: it was refused
   */
  async query(config: {
    readonly name?: string;
    readonly text: string;
    readonly values?: readonly unknown[];
    readonly query_timeout?: number;
  }): Promise<QueryResult> {
    const pool = this.#pool;
    if (!pool || this.#closed) throw new StorageError('closed', 'the store is closed');
    const { name, ...nameless } = config;
    const asked = name === undefined || this.#pooled ? nameless : config;
    try {
      return await pool.query(asked as Parameters<Pool['query']>[0] & { text: string });
    } catch (error) {
      throw this.#closed ? new StorageError('closed', 'the store is closed') : failureOf(error);
    }
  }

  /** Calls back for each NOTIFY on a channel, and after each time that some may have been missed; never behind a pooler. */
  listen(channel: string, listener: () => void): void {
    if (this.#closed || this.#pooled) return;
    this.#listenOnce(channel, listener).catch((error: unknown) => {
      this.#log.debug('cannot listen to the database', { error });
      this.#listenAgain(channel, listener);
    });
  }

  async #listenOnce(channel: string, listener: () => void): Promise<void> {
    const { Client: ClientClass } = (await import('pg')).default;
    const client = new ClientClass({
      connectionString: this.#settings.connectionUrl,
      application_name: 'coffer listener',
      connectionTimeoutMillis: CONNECT_MS_MAX,
      keepAlive: true,
    });
    client.on('error', (error) => this.#log.debug('the connection that listens ended', { error }));
    client.on('notification', listener);
    try {
      await client.connect();
      await this.#meet(client);
      if (!this.#pooled) await client.query(`LISTEN ${channel}`);
    } catch (error) {
      // The first failure says why; that of closing adds nothing.
      await client.end().catch(() => undefined);
      throw error;
    }
    if (this.#closed || this.#pooled) {
      await client.end();
      return;
    }
    this.#listener = client;
    client.on('end', () => {
      this.#listener = undefined;
      this.#listenAgain(channel, listener);
    });
    listener();
  }

  #listenAgain(channel: string, listener: () => void): void {
    if (this.#closed) return;
    this.#cancelListen = this.#clock.after(LISTEN_AGAIN_MS, () => this.listen(channel, listener));
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelListen?.();
    const ended = [this.#listener?.end(), this.#pool?.end()];
    await Promise.all(ended.map((end) => end?.catch((error: unknown) => this.#log.debug('closing', { error }))));
  }
}
