import type { LockHolder, LockRecord, LockStore } from '../remote-store.ts';
import type { Connections } from './connections.ts';
import { channelOf, quoted } from './names.ts';
import { DURABLE, createLockTable } from './statements.ts';

/** Of the one lock that there is. */
const NAME = 'active';
/** A sign of life that takes longer than this would come too late, in milliseconds. */
const QUERY_MS_MAX = 1200;

interface LockRow {
  readonly epoch: string;
  readonly beat: string;
  readonly holder: LockHolder | null;
}

/** The election's record in a table of a PostgreSQL database. */
export class PostgresqlLock implements LockStore {
  readonly kind = 'postgresql';
  readonly #connections: Connections;
  readonly #table: string;
  readonly #channel: string;
  readonly #createsTables: boolean;
  readonly #hints = new Set<() => void>();

  /** @throws RangeError for a table that cannot be named so */
  constructor(connections: Connections, options: { readonly table: string; readonly createsTables: boolean }) {
    this.#connections = connections;
    this.#table = quoted(options.table);
    this.#channel = channelOf(options.table);
    this.#createsTables = options.createsTables;
  }

  async open(): Promise<void> {
    await this.#connections.open();
    if (this.#createsTables) {
      await this.#connections.query({
        text: `DO $create$ BEGIN
          PERFORM pg_advisory_xact_lock(hashtext('${this.#channel}'));
          IF to_regclass('${this.#table}') IS NULL THEN ${createLockTable(this.#table)}; END IF;
        EXCEPTION WHEN duplicate_table THEN NULL;
        END $create$`,
      });
    }
    // Whether it is there, and ours.
    await this.read();
    this.#connections.listen(this.#channel, () => {
      for (const hint of this.#hints) hint();
    });
  }

  async read(): Promise<LockRecord | undefined> {
    const { rows } = await this.#connections.query({
      text: `SELECT epoch, beat, holder FROM ${this.#table} WHERE name = $1`,
      values: [NAME],
      query_timeout: QUERY_MS_MAX,
    });
    const row = rows[0] as LockRow | undefined;
    return row && { epoch: Number(row.epoch), beat: Number(row.beat), holder: row.holder ?? undefined };
  }

  async write({ epoch, beat, holder }: LockRecord): Promise<boolean> {
    // Only who waits for a change of hands has to be told, not of each beat.
    const notify = holder === undefined ? `, pg_notify('${this.#channel}', '')` : '';
    const returned = `beat, ${DURABLE}${notify}`;
    const values = [NAME, epoch, beat, holder === undefined ? null : JSON.stringify(holder)];
    const text =
      beat === 1
        ? `INSERT INTO ${this.#table} (name, epoch, beat, holder) VALUES ($1, $2, $3, $4)
           ON CONFLICT (name) DO NOTHING RETURNING ${returned}`
        : `UPDATE ${this.#table} SET epoch = $2, beat = $3, holder = $4, changed = now()
           WHERE name = $1 AND beat = $3::bigint - 1 RETURNING ${returned}`;
    const { rows } = await this.#connections.query({ text, values, query_timeout: QUERY_MS_MAX });
    return rows.length > 0;
  }

  onHint(listener: () => void): void {
    this.#hints.add(listener);
  }

  close(): Promise<void> {
    return this.#connections.close();
  }
}
