import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'pg';
import { silentLog, systemClock } from '@coffer/kernel';
import { isTableName, postgresqlLock, postgresqlStore } from '@coffer/storage-remote';
import type { Group, RemoteStore } from '@coffer/storage-remote';
import { runPostgresql } from '../../databases/index.ts';
import type { RunningPostgresql } from '../../databases/index.ts';

let server: RunningPostgresql;
const stores: RemoteStore[] = [];

beforeAll(async () => {
  server = await runPostgresql();
}, 60_000);

afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
});

afterAll(() => server.program.remove());

async function open(table: string, createsTables = true, options = ''): Promise<RemoteStore> {
  const store = postgresqlStore(
    {
      connectionUrl: server.url + options,
      parallelMax: 4,
      idleMax: 1,
      connectRetries: 0,
      table,
      lockTable: 'locks',
      createsTables,
    },
    systemClock,
    silentLog,
  );
  stores.push(store);
  await store.open();
  return store;
}

const group = (epoch: number, after: number, changes: Readonly<Record<string, string | undefined>>): Group => ({
  id: crypto.randomUUID(),
  epoch,
  after,
  batches: [Object.keys(changes)],
  changes: new Map(
    Object.entries(changes).map(([key, text]) => [key, text === undefined ? undefined : Buffer.from(text)]),
  ),
});

describe('a store in PostgreSQL', () => {
  it('refuses what was sent under an epoch that is over, and writes none of it', async () => {
    const [former, present] = [await open('fenced'), await open('fenced')];
    await former.claim(1);
    expect(await former.commit(group(1, 0, { a: 'one' }))).toBe(true);
    expect(await present.claim(2)).toEqual({ epoch: 2, index: 1 });
    expect(await former.commit(group(1, 1, { a: 'two', b: 'two' }))).toBe(false);
    expect((await present.get('a')).value?.toString()).toBe('one');
    expect(await present.get('b')).toEqual({ value: undefined, index: 1 });
    expect(await former.claim(1)).toEqual({ epoch: 2, index: 1 });
  });

  it('writes a group once, however often it is sent, and knows it afterwards', async () => {
    const store = await open('once');
    await store.claim(1);
    const sent = group(1, 0, { a: 'one' });
    expect(await store.holds(sent)).toBe(false);
    expect([await store.commit(sent), await store.commit(sent)]).toEqual([true, false]);
    expect(await store.holds(sent)).toBe(true);
    expect(await store.holds(group(1, 0, {}))).toBe(false);
    expect((await store.feed(0)).groups).toEqual([{ first: 1, id: sent.id, batches: [['a']] }]);
  });

  it('holds keys up to the longest, which no index of this database could', async () => {
    const store = await open('long');
    await store.claim(1);
    const long = (end: string): string => `f/${randomBytes(3000).toString('hex')}/${end}`;
    const stem = long('');
    const keys = [`${stem}a`, `${stem}b`, `${stem}b/c`, 'f/short'];
    await store.commit(group(1, 0, Object.fromEntries(keys.map((key) => [key, key.slice(-3)]))));
    for (const key of keys) expect((await store.get(key)).value?.toString()).toBe(key.slice(-3));
    expect((await store.keys({ from: `${stem}b`, to: 'f/z' })).value).toEqual([`${stem}b`, `${stem}b/c`, 'f/short']);
    expect((await store.list(stem, {})).value).toEqual(['a', 'b', 'b/']);
    await store.commit(group(1, 1, { [`${stem}b`]: undefined }));
    expect((await store.list(stem, {})).value).toEqual(['a', 'b/']);
  });

  it('has everything on disk that it acknowledges, whatever the server is set up for', async () => {
    // Nothing is flushed by itself.
    server.run("ALTER SYSTEM SET wal_writer_delay = '10s'");
    server.run('SELECT pg_reload_conf()');
    const relaxed = '?options=-c%20synchronous_commit%3Doff';
    const store = await open('durable', true, relaxed);
    await store.claim(1);
    const plain = new Client({ connectionString: server.url + relaxed });
    await plain.connect();
    const behind = async (): Promise<boolean> => {
      const { rows } = await plain.query('SELECT pg_current_wal_flush_lsn() < pg_current_wal_insert_lsn() AS behind');
      return (rows[0] as { readonly behind: boolean }).behind;
    };
    try {
      let count = 0;
      for (let round = 0; round < 20; round++) {
        await store.commit(group(1, round, { a: String(round) }));
        if (await behind()) count++;
      }
      expect(count).toBeLessThan(5);
      // So it would be seen.
      for (let round = 0; round < 20; round++) {
        await plain.query('UPDATE durable_head SET format = format');
        if (await behind()) count++;
      }
      expect(count).toBeGreaterThan(10);
    } finally {
      await plain.end();
    }
  });

  it('waits while the server may only be read, as one that became a replica', async () => {
    const store = await open('replica');
    await store.claim(1);
    server.run('ALTER SYSTEM SET default_transaction_read_only = on');
    server.run('SELECT pg_reload_conf()');
    const commit = (): Promise<unknown> => store.commit(group(1, 0, { a: 'b' })).catch((error: unknown) => error);
    const eventually = async (good: (outcome: unknown) => boolean): Promise<void> => {
      for (let round = 0; round < 100; round++) {
        if (good(await commit())) return;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      throw new Error('not in time');
    };
    // The first one may come before the server has read its settings anew, and is written.
    await eventually((outcome) => outcome instanceof Error && outcome.name === 'Unreachable');
    server.run('ALTER SYSTEM RESET default_transaction_read_only');
    server.run('SELECT pg_reload_conf()');
    await eventually((outcome) => typeof outcome === 'boolean');
    expect((await store.get('a')).value?.toString()).toBe('b');
  });

  it('is made by one of several nodes that start at once', async () => {
    await Promise.all([open('together'), open('together'), open('together'), open('together')]);
  });

  it('creates nothing where it may not, and says what is missing', async () => {
    await expect(open('by_hand', false)).rejects.toMatchObject({ name: 'StorageError', code: 'corrupt' });
  });

  it('works on tables that were made by hand as the documentation shows, by a user with no more rights than it says', async () => {
    const documentation = readFileSync(join(import.meta.dirname, '../../../../../docs/configuration.md'), 'utf8');
    const [, made = ''] = /```sql\n([^`]*)```/.exec(documentation) ?? [];
    expect(made).toContain('CREATE TABLE coffer_ha_locks');
    server.run(made);
    server.run('CREATE ROLE modest LOGIN');
    server.run('REVOKE CREATE ON SCHEMA public FROM PUBLIC');
    server.run(
      'GRANT SELECT, INSERT, UPDATE, DELETE ON coffer_kv_store, coffer_kv_store_head, coffer_kv_store_feed, coffer_ha_locks TO modest',
    );
    const settings = {
      connectionUrl: server.url.replace('//coffer@', '//modest@'),
      parallelMax: 4,
      idleMax: 1,
      connectRetries: 0,
      table: 'coffer_kv_store',
      lockTable: 'coffer_ha_locks',
      createsTables: false,
    };
    const [store, lock] = [
      postgresqlStore(settings, systemClock, silentLog),
      postgresqlLock(settings, systemClock, silentLog),
    ];
    stores.push(store);
    await store.open();
    try {
      await lock.open();
      expect(await lock.write({ epoch: 1, beat: 1, holder: undefined })).toBe(true);
      expect(await lock.read()).toEqual({ epoch: 1, beat: 1, holder: undefined });
    } finally {
      await lock.close();
    }
    await store.claim(1);
    expect(await store.commit(group(1, 0, { 'a/b': 'one', c: undefined }))).toBe(true);
    expect((await store.list('', {})).value).toEqual(['a/']);
    await store.trim(1);
    expect((await store.feed(0)).groups).toEqual([]);
  });

  it('refuses a table of another program', async () => {
    server.run('CREATE TABLE vault_kv_store (parent_path text, path text, key text, value bytea)');
    await expect(open('vault_kv_store')).rejects.toMatchObject({ name: 'StorageError', code: 'corrupt' });
  });

  it('takes names of tables, and nothing that is more than a name', () => {
    for (const name of ['a', 'coffer_kv_store', 'vault.store_2', '_x']) expect(isTableName(name)).toBe(true);
    for (const name of ['', 'a b', 'a"b', "a'b", 'a;b', 'a.b.c', '1a', 'a-b', 'é', 'a'.repeat(49), 'a\n'])
      expect(isTableName(name)).toBe(false);
  });
});
