import { StorageError } from '@coffer/storage';
import type { Epoch, KeyRange, ListOptions } from '@coffer/storage';
import { decodeKeys, encodeKeys } from '../node/changes.codec.ts';
import { endOfFolder, nameIn, startOfListing } from '../node/listing.ts';
import type { Dated, Feed, Group, GroupLimits, Head, RemoteStore } from '../remote-store.ts';
import type { Connections } from './connections.ts';
import { columnsOf } from './key-columns.ts';
import { channelOf, quoted, tableNames } from './names.ts';
import type { TableNames } from './names.ts';
import { BEYOND_ALL, FORMAT, createTables, statements } from './statements.ts';
import type { Statements } from './statements.ts';

/** Then it is sent again, which is safe: there has to be time for it before the write is in doubt. */
const COMMIT_MS_MAX = 4000;

interface HeadRow {
  readonly epoch: string;
  readonly idx: string;
}

interface FeedRow extends HeadRow {
  readonly first: string | null;
  readonly id: string;
  readonly batches: Buffer;
}

const numbersOf = ({ epoch, idx }: HeadRow): Head => ({ epoch: Number(epoch), index: Number(idx) });

/** A store in tables of a PostgreSQL database; see docs/architecture.md for what they hold. */
export class PostgresqlStore implements RemoteStore {
  readonly kind = 'postgresql';
  readonly limits: GroupLimits = {
    keysMax: 100_000,
    bytesMax: 64 * 1024 * 1024,
    valueBytesMax: 64 * 1024 * 1024,
    keysAtOnce: 4096,
    bytesAtOnce: 4 * 1024 * 1024,
    advice: 'it has to be written in smaller parts',
  };
  readonly #connections: Connections;
  /** Writes, and what asks for news, do not queue behind the reads of clients. */
  readonly #express: Connections;
  readonly #table: string;
  readonly #names: TableNames;
  readonly #sql: Statements;
  readonly #createsTables: boolean;
  readonly #hints = new Set<() => void>();

  /** @throws RangeError for a table that cannot be named so */
  constructor(
    connections: Connections,
    express: Connections,
    options: { readonly table: string; readonly createsTables: boolean },
  ) {
    this.#connections = connections;
    this.#express = express;
    this.#table = options.table;
    this.#names = tableNames(options.table);
    this.#sql = statements(this.#names);
    this.#createsTables = options.createsTables;
  }

  async open(): Promise<void> {
    await this.#connections.open();
    await this.#express.open();
    if (!(await this.#exists())) {
      if (!this.#createsTables)
        throw new StorageError(
          'corrupt',
          `the table ${this.#table} does not exist, and skip_create_table is set: see docs/configuration.md for what to create`,
        );
      await this.#create();
    }
    await this.#check();
    this.#connections.listen(channelOf(this.#table), () => {
      for (const hint of this.#hints) hint();
    });
  }

  async #exists(): Promise<boolean> {
    const { rows } = await this.#connections.query({
      text: 'SELECT to_regclass($1) IS NOT NULL AS found',
      values: [this.#names.values],
    });
    return (rows[0] as { readonly found: boolean }).found;
  }

  /** All nodes may start at once: one creates, the others wait and find it done. */
  async #create(): Promise<void> {
    const body = createTables(this.#names).join(';\n');
    await this.#connections.query({
      text: `DO $create$ BEGIN
        PERFORM pg_advisory_xact_lock(hashtext('${this.#names.channel}'));
        IF to_regclass('${this.#names.values}') IS NULL THEN ${body}; END IF;
      EXCEPTION WHEN duplicate_table THEN NULL;
      END $create$`,
    });
  }

  async #check(): Promise<void> {
    const { rows } = await this.#connections
      .query({ text: `SELECT format FROM ${this.#names.head}` })
      .catch((error: unknown) => {
        if (!(error instanceof StorageError) || error.code !== 'disk') throw error;
        throw new StorageError(
          'corrupt',
          `the table ${this.#table} is not one of this program, or its companions cannot be read (${error.message})`,
          { cause: error },
        );
      });
    const format = (rows[0] as { readonly format: number } | undefined)?.format;
    if (format !== FORMAT)
      throw new StorageError(
        'corrupt',
        `the table ${quoted(`${this.#table}_head`)} should hold one row of format ${String(FORMAT)}, and holds ${format === undefined ? 'none' : `format ${String(format)}`}`,
      );
  }

  async head(): Promise<Head> {
    const { rows } = await this.#express.query({ name: `head ${this.#table}`, text: this.#sql.head });
    return numbersOf(rows[0] as HeadRow);
  }

  async get(key: string): Promise<Dated<Uint8Array | undefined>> {
    const { head, tailHash } = columnsOf(key);
    const { rows } = await this.#connections.query({
      name: `get ${this.#table}`,
      text: this.#sql.get,
      values: [head, tailHash],
    });
    const row = rows[0] as { readonly value: Buffer | null; readonly idx: string };
    return { value: row.value ?? undefined, index: Number(row.idx) };
  }

  async list(prefix: string, options: ListOptions): Promise<Dated<string[]>> {
    const { rows } = await this.#connections.query({
      name: `list ${this.#table}`,
      text: this.#sql.list,
      values: [
        startOfListing(prefix, options.after),
        Buffer.byteLength(prefix),
        endOfFolder(prefix) ?? BEYOND_ALL,
        options.limit ?? null,
      ],
    });
    const { keys, idx } = rows[0] as { readonly keys: Buffer[]; readonly idx: string };
    return { value: keys.map((key) => nameIn(prefix, key)), index: Number(idx) };
  }

  async keys({ from, to, limit }: KeyRange): Promise<Dated<string[]>> {
    const first = columnsOf(from);
    const last = columnsOf(to);
    const { rows } = await this.#connections.query({
      name: `keys ${this.#table}`,
      text: this.#sql.keys,
      values: [first.head, first.tail, last.head, last.tail, limit ?? null],
    });
    const { keys, idx } = rows[0] as { readonly keys: Buffer[]; readonly idx: string };
    return { value: keys.map((key) => key.toString()), index: Number(idx) };
  }

  async commit({ id, epoch, after, batches, changes }: Group): Promise<boolean> {
    const puts: Buffer[][] = [[], [], [], []];
    const gone: Buffer[][] = [[], []];
    for (const [key, value] of changes) {
      const { head, tail, tailHash } = columnsOf(key);
      if (value === undefined) {
        gone[0]?.push(head);
        gone[1]?.push(tailHash);
      } else {
        puts[0]?.push(head);
        puts[1]?.push(tailHash);
        puts[2]?.push(tail);
        puts[3]?.push(Buffer.from(value.buffer, value.byteOffset, value.byteLength));
      }
    }
    const { rows } = await this.#express.query({
      name: `commit ${this.#table}`,
      text: this.#sql.commit,
      values: [epoch, after, batches.length, id, encodeKeys(batches), ...puts, ...gone],
      query_timeout: COMMIT_MS_MAX,
    });
    return rows.length > 0;
  }

  async claim(epoch: Epoch): Promise<Head> {
    await this.#express.query({ text: this.#sql.claim, values: [epoch] });
    return this.head();
  }

  async feed(after: number): Promise<Feed> {
    const { rows } = await this.#express.query({
      name: `feed ${this.#table}`,
      text: this.#sql.feed,
      values: [after],
    });
    const found = rows as FeedRow[];
    return {
      head: numbersOf(found[0] as FeedRow),
      groups: found.flatMap(({ first, id, batches }) =>
        first === null ? [] : [{ first: Number(first), id, batches: decodeKeys(batches) }],
      ),
    };
  }

  async holds({ id, after }: Pick<Group, 'id' | 'after'>): Promise<boolean> {
    const { rows } = await this.#express.query({ text: this.#sql.holds, values: [after, id] });
    return rows.length > 0;
  }

  async trim(upTo: number): Promise<void> {
    await this.#express.query({ text: this.#sql.trim, values: [upTo] });
  }

  onHint(listener: () => void): void {
    this.#hints.add(listener);
  }

  async close(): Promise<void> {
    await Promise.all([this.#connections.close(), this.#express.close()]);
  }
}
