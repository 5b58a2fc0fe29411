import { StorageError } from '@coffer/storage';
import type { CancelTimer, Clock, Log } from '@coffer/kernel';
import type { Client, Pool, QueryResult } from 'pg';
import { Unreachable } from '../remote-store.ts';

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

const SYNCHRONOUS = `SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'`;

/** SQLSTATE (PostgreSQL, appendix A): the server goes down or comes up, has no room, or asks to try again. */
const PASSING = /^(08...|57P0[1-4]|53300|57014|40001|40P01|55P03|25P0[123])$/;

/** Connections to one database: a pool, and one that listens. */
export class Connections {
  readonly #settings: ConnectionSettings;
  readonly #clock: Clock;
  readonly #log: Log;
  #pool: Pool | undefined;
  #listener: Client | undefined;
  #cancelListen: CancelTimer | undefined;
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
      // Where the server is set up to acknowledge before it is on disk, what is acknowledged here would be lost with it.
      onConnect: async (client) => {
        await client.query(SYNCHRONOUS);
      },
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

  /**
   * @param config `name` prepares the statement once a connection
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
    try {
      return await pool.query(config as Parameters<Pool['query']>[0] & { text: string });
    } catch (error) {
      throw this.#explain(error);
    }
  }

  #explain(error: unknown): Error {
    const { code, message } = error as { readonly code?: unknown; readonly message?: unknown };
    const text = typeof message === 'string' && message !== '' ? message : String(code ?? 'no answer');
    if (this.#closed) return new StorageError('closed', 'the store is closed');
    if (typeof code !== 'string' || !/^[0-9A-Z]{5}$/.test(code) || PASSING.test(code))
      return new Unreachable(text, { cause: error });
    // Messages of the server name tables and rights, and no values: those are parameters.
    return new StorageError('disk', `the database refused (SQLSTATE ${code}): ${text}`, { cause: error });
  }

  /** Calls back for each NOTIFY on a channel, and after each time that some may have been missed. */
  listen(channel: string, listener: () => void): void {
    if (this.#closed) return;
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
      await client.query(`LISTEN ${channel}`);
    } catch (error) {
      // The first failure says why; that of closing adds nothing.
      await client.end().catch(() => undefined);
      throw error;
    }
    if (this.#closed) {
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
