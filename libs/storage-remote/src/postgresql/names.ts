import { createHash } from 'node:crypto';

/** A table's name, perhaps behind that of its schema. 48 letters leave room for what is put behind it. */
const TABLE_NAME = /^(?:([A-Za-z_][A-Za-z0-9_]{0,47})\.)?([A-Za-z_][A-Za-z0-9_]{0,47})$/;

/** Whether a table can have this name: `name` or `schema.name` of letters, digits and `_`, at most 48 each. */
export function isTableName(text: string): boolean {
  return TABLE_NAME.test(text);
}

/** Names of the tables of a store, quoted for SQL. */
export interface TableNames {
  readonly values: string;
  readonly head: string;
  readonly feed: string;
  readonly channel: string;
}

/** @throws RangeError for what is no name */
export function tableNames(table: string): TableNames {
  return {
    values: quoted(table),
    head: quoted(`${table}_head`),
    feed: quoted(`${table}_feed`),
    channel: channelOf(table),
  };
}

/** @throws RangeError for what is no name */
export function quoted(table: string): string {
  const match = /^(?:(\w{1,60})\.)?(\w{1,60})$/.exec(table);
  if (!match) throw new RangeError('a table is named by letters, digits and "_", perhaps behind a schema and a dot');
  return match[1] === undefined ? `"${match[2] ?? ''}"` : `"${match[1]}"."${match[2] ?? ''}"`;
}

/** Where news of a table are announced (NOTIFY). */
export function channelOf(table: string): string {
  return `coffer_${createHash('sha256').update(table).digest('hex').slice(0, 16)}`;
}
