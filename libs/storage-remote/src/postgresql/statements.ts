import { HEAD_BYTES } from './key-columns.ts';
import type { TableNames } from './names.ts';

/** The tables of a store, as the documentation shows them for those who make them by hand. */
export function createTables({ values, head, feed }: TableNames): readonly string[] {
  return [
    `CREATE TABLE ${values} (
  head      bytea NOT NULL,
  tail_hash bytea NOT NULL DEFAULT '',
  tail      bytea NOT NULL DEFAULT '',
  value     bytea NOT NULL,
  PRIMARY KEY (head, tail_hash)
)`,
    // Ciphertext does not compress: not tried.
    `ALTER TABLE ${values} ALTER COLUMN value SET STORAGE EXTERNAL`,
    `CREATE TABLE ${head} (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  format   integer NOT NULL,
  epoch    bigint NOT NULL,
  idx      bigint NOT NULL
)`,
    `INSERT INTO ${head} (format, epoch, idx) VALUES (${String(FORMAT)}, 0, 0)`,
    `CREATE TABLE ${feed} (
  last    bigint PRIMARY KEY,
  first   bigint NOT NULL,
  id      uuid NOT NULL,
  batches bytea NOT NULL
)`,
  ];
}

/** What the tables look like; another number is another program's, or a later one's. */
export const FORMAT = 1;

export function createLockTable(table: string): string {
  return `CREATE TABLE ${table} (
  name    text PRIMARY KEY,
  epoch   bigint NOT NULL,
  beat    bigint NOT NULL,
  holder  jsonb,
  changed timestamptz NOT NULL DEFAULT now()
)`;
}

/**
 * For the transaction that it stands in: where the server is set up to acknowledge before a transaction is on disk, what is
 * acknowledged here would be lost with it. Other settings (`remote_apply`, …) stay as they are.
 */
export const DURABLE = `CASE WHEN current_setting('synchronous_commit') = 'off'
      THEN set_config('synchronous_commit', 'on', true) END AS durable`;

/** Groups of the feed that are read at once. */
export const FEED_PAGE = 500;

/** The end of a folder in the order of keys: no key in UTF-8 has this byte. */
export const BEYOND_ALL = Buffer.of(0xff);

/** Statements of a store; each reads one state, since it is one statement. */
export function statements({ values, head, feed, channel }: TableNames) {
  const split = (bytes: string, part: 'head' | 'tail'): string =>
    part === 'head'
      ? `substring(${bytes} FROM 1 FOR ${String(HEAD_BYTES)})`
      : `substring(${bytes} FROM ${String(HEAD_BYTES + 1)})`;
  // Where the name after a key begins: behind the key, or behind its whole folder ('0' follows '/').
  const slash = `position('\\x2f'::bytea IN substring(w.key FROM $2::integer + 1))`;
  const after = `CASE WHEN ${slash} = 0 THEN w.key || '\\x00'::bytea
    ELSE substring(w.key FROM 1 FOR $2::integer + ${slash} - 1) || '\\x30'::bytea END`;
  const firstFrom = (at: string): string => `SELECT v.head || v.tail AS key FROM ${values} v
      WHERE v.head >= ${split(at, 'head')} AND (v.head > ${split(at, 'head')} OR v.tail >= ${split(at, 'tail')})
      ORDER BY v.head, v.tail LIMIT 1`;
  return {
    head: `SELECT epoch, idx FROM ${head}`,
    get: `SELECT (SELECT value FROM ${values} WHERE head = $1 AND tail_hash = $2) AS value, idx FROM ${head}`,
    keys: `SELECT ARRAY(SELECT head || tail FROM ${values}
      WHERE (head, tail) >= ($1, $2) AND (head, tail) < ($3, $4) AND head >= $1 AND head <= $3
      ORDER BY head, tail LIMIT $5) AS keys, idx FROM ${head}`,
    /** $1 where to begin, $2 the length of the folder's name, $3 its end, $4 how many. */
    list: `WITH RECURSIVE walk(key) AS (
      SELECT f.key FROM (${firstFrom('$1::bytea')}) f WHERE f.key < $3::bytea
      UNION ALL
      SELECT n.key FROM walk w CROSS JOIN LATERAL (SELECT ${after} AS at) s
        CROSS JOIN LATERAL (${firstFrom('s.at')}) n WHERE n.key < $3::bytea
    ) SELECT ARRAY(SELECT key FROM walk LIMIT $4) AS keys, idx FROM ${head}`,
    /** $1 epoch, $2 index before, $3 batches, $4 id, $5 batches' keys, $6–$9 puts, $10–$11 deletions. */
    commit: `WITH moved AS (
      UPDATE ${head} SET idx = idx + $3::bigint WHERE epoch = $1 AND idx = $2 RETURNING idx
    ), put AS (
      INSERT INTO ${values} (head, tail_hash, tail, value)
      SELECT * FROM unnest($6::bytea[], $7::bytea[], $8::bytea[], $9::bytea[]) WHERE EXISTS (SELECT FROM moved)
      ON CONFLICT (head, tail_hash) DO UPDATE SET value = excluded.value
    ), gone AS (
      DELETE FROM ${values} v USING unnest($10::bytea[], $11::bytea[]) AS d(head, tail_hash)
      WHERE v.head = d.head AND v.tail_hash = d.tail_hash AND EXISTS (SELECT FROM moved)
    ), fed AS (
      INSERT INTO ${feed} (last, first, id, batches) SELECT idx, $2::bigint + 1, $4, $5 FROM moved
    ) SELECT idx, pg_notify('${channel}', ''), ${DURABLE} FROM moved`,
    claim: `UPDATE ${head} SET epoch = $1 WHERE epoch < $1 RETURNING ${DURABLE}`,
    feed: `SELECT h.epoch, h.idx, f.first, f.id, f.batches FROM ${head} h LEFT JOIN LATERAL (
      SELECT * FROM ${feed} WHERE last > $1 ORDER BY last LIMIT ${String(FEED_PAGE)}) f ON true ORDER BY f.last`,
    holds: `SELECT FROM ${feed} WHERE last > $1 AND id = $2 LIMIT 1`,
    trim: `DELETE FROM ${feed} WHERE last <= $1`,
  };
}

export type Statements = ReturnType<typeof statements>;
