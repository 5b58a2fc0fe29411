import { describeEngine, openEngine } from '@coffer/testing';
import type { OpenEngine } from '@coffer/testing';
import { KvEngine } from './kv.engine.ts';

describeEngine('kv version 1', new KvEngine());
describeEngine('kv version 2', new KvEngine(), { options: { version: '2' } });

const openV1 = (): Promise<OpenEngine> => openEngine(new KvEngine());
const openV2 = (): Promise<OpenEngine> => openEngine(new KvEngine(), { options: { version: '2' } });

const write = (engine: OpenEngine, path: string, data: unknown, cas?: number): ReturnType<OpenEngine['update']> =>
  engine.update(`data/${path}`, { data, ...(cas === undefined ? {} : { options: { cas } }) });

async function valueOf(engine: OpenEngine, path: string, version = 0): Promise<unknown> {
  const answer = await engine.read(`data/${path}`, { version });
  return answer?.data?.data;
}

describe('KV version 1', () => {
  it('replaces all fields by each write', async () => {
    const engine = await openV1();
    await engine.update('app', { a: 1, b: 2 });
    await engine.update('app', { c: 3 });
    expect((await engine.read('app'))?.data).toEqual({ c: 3 });
    await engine.delete('app');
    expect(await engine.read('app')).toBeUndefined();
  });

  it('tells the entry’s own lease duration, and the default where it has none', async () => {
    const engine = await openV1();
    await engine.update('app', { ttl: '1h' });
    expect((await engine.read('app'))?.lease?.durationSeconds).toBe(3600);
    await engine.update('app', { ttl: 'soon' });
    expect((await engine.read('app'))?.lease?.durationSeconds).toBe(2_764_800);
  });

  it.each([
    ['', { a: 1 }, 'missing path'],
    ['folder/', { a: 1 }, "cannot write to a path ending in '/'"],
    ['app', {}, 'missing data fields'],
  ])('refuses to write %j %j', async (path, data, text) => {
    const engine = await openV1();
    await expect(engine.update(path, data)).rejects.toThrow(text);
  });

  it('lists a folder, page by page', async () => {
    const engine = await openV1();
    for (const path of ['b', 'a', 'folder/x', 'c']) await engine.update(path, { a: 1 });
    expect(await engine.list('')).toEqual(['a', 'b', 'c', 'folder/']);
    expect(await engine.list('', { limit: 2 })).toEqual(['a', 'b']);
    expect(await engine.list('', { after: 'b', limit: 2 })).toEqual(['c', 'folder/']);
    expect(await engine.list('folder/')).toEqual(['x']);
  });
});

describe('KV version 2', () => {
  it('keeps versions', async () => {
    const engine = await openV2();
    await write(engine, 'app', { a: 1 });
    await write(engine, 'app', { a: 2 });
    expect([await valueOf(engine, 'app'), await valueOf(engine, 'app', 1)]).toEqual([{ a: 2 }, { a: 1 }]);
    expect(await engine.read('data/app', { version: 3 })).toBeUndefined();
  });

  describe('check-and-set', () => {
    it('writes only over the version that it names; 0 is none', async () => {
      const engine = await openV2();
      await expect(write(engine, 'app', { a: 1 }, 1)).rejects.toThrow('did not match the current version');
      await write(engine, 'app', { a: 1 }, 0);
      await expect(write(engine, 'app', { a: 2 }, 0)).rejects.toThrow('did not match the current version');
      await write(engine, 'app', { a: 2 }, 1);
      expect(await valueOf(engine, 'app')).toEqual({ a: 2 });
    });

    it('lets one of many writers at once through', async () => {
      const engine = await openV2();
      await write(engine, 'app', { by: 'first' });
      const writers = Array.from({ length: 20 }, (_, by) => write(engine, 'app', { by }, 1));
      const done = (await Promise.allSettled(writers)).filter(({ status }) => status === 'fulfilled');
      expect(done).toHaveLength(1);
      expect((await engine.read('metadata/app'))?.data?.current_version).toBe(2);
    });

    it('is asked for where the mount or the key says so', async () => {
      const engine = await openV2();
      await engine.update('config', { cas_required: true });
      await expect(write(engine, 'app', { a: 1 })).rejects.toThrow('check-and-set parameter required');
      await engine.update('config', { cas_required: false });
      await engine.update('metadata/key', { cas_required: true });
      await expect(write(engine, 'key', { a: 1 })).rejects.toThrow('check-and-set parameter required');
      await write(engine, 'app', { a: 1 });
    });
  });

  it('merges patches: null removes a member', async () => {
    const engine = await openV2();
    await write(engine, 'app', { a: 1, b: { c: 2, d: 3 } });
    await engine.patch('data/app', { data: { a: null, b: { d: 4 } } });
    expect(await valueOf(engine, 'app')).toEqual({ b: { c: 2, d: 4 } });
    await expect(engine.patch('data/none', { data: { a: 1 } })).rejects.toMatchObject({ status: 404 });
  });

  it('hides deleted versions, brings them back, and destroys for good', async () => {
    const engine = await openV2();
    await write(engine, 'app', { a: 1 });
    await write(engine, 'app', { a: 2 });
    await engine.delete('data/app');
    expect(await engine.read('data/app')).toMatchObject({ status: 404, data: { data: null } });
    expect(await valueOf(engine, 'app', 1)).toEqual({ a: 1 });
    await engine.update('undelete/app', { versions: [2] });
    expect(await valueOf(engine, 'app')).toEqual({ a: 2 });
    await engine.update('destroy/app', { versions: '1' });
    await engine.update('undelete/app', { versions: [1] });
    expect(await engine.read('data/app', { version: 1 })).toMatchObject({
      status: 404,
      data: { data: null, metadata: { destroyed: true } },
    });
    expect([...(await engine.stored()).values()].some((value) => value.includes('"a":1'))).toBe(false);
  });

  it('keeps no more versions than max_versions', async () => {
    const engine = await openV2();
    await engine.update('config', { max_versions: 2 });
    for (const a of [1, 2, 3]) await write(engine, 'app', { a });
    expect(await engine.read('data/app', { version: 1 })).toBeUndefined();
    expect(await valueOf(engine, 'app', 2)).toEqual({ a: 2 });
    expect((await engine.read('metadata/app'))?.data).toMatchObject({ oldest_version: 2, current_version: 3 });
    expect([...(await engine.stored()).keys()]).not.toContain('versions/app/1');
  });

  it('deletes versions by age', async () => {
    const engine = await openV2();
    await engine.update('config', { delete_version_after: '10s' });
    await write(engine, 'app', { a: 1 });
    await engine.clock.advance(9_999);
    expect(await valueOf(engine, 'app')).toEqual({ a: 1 });
    await engine.clock.advance(1);
    expect(await engine.read('data/app')).toMatchObject({ status: 404 });
  });

  it('removes a secret with all versions when its metadata is deleted', async () => {
    const engine = await openV2();
    await write(engine, 'app', { a: 1 });
    await engine.delete('metadata/app');
    expect([...(await engine.stored()).keys()]).toEqual([]);
  });

  it('lists folders and pages', async () => {
    const engine = await openV2();
    for (const path of ['b', 'a', 'folder/x', 'c']) await write(engine, path, { a: 1 });
    expect(await engine.list('metadata/')).toEqual(['a', 'b', 'c', 'folder/']);
    expect(await engine.list('metadata/', { after: 'a', limit: 2 })).toEqual(['b', 'c']);
    expect(await engine.list('metadata/none')).toEqual([]);
  });

  it.each(['__proto__', 'constructor', 'ключ', 'a/__proto__/b'])('keeps %j like any other name', async (name) => {
    const engine = await openV2();
    await write(engine, name, { a: 1 });
    expect(await valueOf(engine, name)).toEqual({ a: 1 });
  });

  it('takes over what version 1 kept', async () => {
    const engine = await openV1();
    for (let at = 0; at < 120; at++) await engine.update(`folder/${String(at)}`, { at });
    await engine.tune({ version: '2' });
    for (const at of [0, 99, 100, 119]) expect(await valueOf(engine, `folder/${String(at)}`)).toEqual({ at });
    expect(await engine.list('metadata/folder')).toHaveLength(120);
    await write(engine, 'folder/0', { at: 'new' }, 1);
  });
});

describe('what clients of the reference see', () => {
  it('prefers ttl to lease, and takes what can be read as a duration as it is', async () => {
    const engine = await openV1();
    const hint = async (data: Record<string, unknown>): Promise<unknown> => {
      await engine.update('app', data);
      return (await engine.read('app'))?.lease?.durationSeconds;
    };
    expect(await hint({ ttl: '1h', lease: '2h' })).toBe(3600);
    expect(await hint({ lease: '2h' })).toBe(7200);
    expect(await hint({ ttl: '-1h' })).toBe(-3600);
    expect(await hint({ ttl: null, a: 1 })).toBe(0);
    expect(await hint({ ttl: 'soon', lease: '2h' })).toBe(2_764_800);
  });

  it('tells of a path without its slash where to ask, whatever is asked', async () => {
    const engine = await openV2();
    for (const path of ['data', 'metadata', 'delete', 'undelete', 'destroy']) {
      const answer = await engine.update(path, { data: { a: 1 }, versions: [1], max_versions: 1 });
      expect(answer).toMatchObject({ status: 404, warnings: [expect.stringContaining('versioned K/V')] });
    }
    expect(await engine.read('data')).toMatchObject({ status: 404 });
    expect(await engine.delete('data')).toMatchObject({ status: 404 });
    expect(await engine.patch('nosuch', { a: 1 })).toMatchObject({ status: 404 });
  });

  it('scans each folder before the folders in it, the last of them first; a page by bytes', async () => {
    for (const [open, put, below] of [
      [openV1, (path: string) => path, ''],
      [openV2, (path: string) => `data/${path}`, 'metadata/'],
    ] as const) {
      const engine = await open();
      for (const path of ['b', 'f/one', 'f/g/x', 'e/y', 'a', 'f']) await engine.update(put(path), { data: { a: 1 } });
      const scan = async (query: Record<string, unknown>): Promise<unknown> =>
        (await engine.ask('scan', below, query))?.data?.keys;
      expect(await scan({})).toEqual(['a', 'b', 'f', 'f/one', 'f/g/x', 'e/y']);
      expect(await scan({ limit: 4 })).toEqual(['a', 'b', 'e/y', 'f']);
      expect((await engine.ask('scan', `${below}none/`, {}))?.data).toEqual({});
    }
  });

  it('takes numbers and truths as texts beside a key, and an empty map for none', async () => {
    const engine = await openV2();
    await engine.update('metadata/app', { custom_metadata: { n: 1, yes: true } });
    expect((await engine.read('metadata/app'))?.data?.custom_metadata).toEqual({ n: '1', yes: '1' });
    await expect(engine.update('metadata/app', { custom_metadata: { n: null } })).rejects.toThrow('is 0 but must be');
    await expect(engine.update('metadata/app', { custom_metadata: { n: [] } })).rejects.toThrow('must be a string');
    await engine.update('metadata/app', { custom_metadata: {} });
    expect((await engine.read('metadata/app'))?.data?.custom_metadata).toBeNull();
  });

  it('sets back what a write sends as null, and does nothing where nothing is set', async () => {
    const engine = await openV2();
    await engine.update('metadata/app', { max_versions: 5, cas_required: true });
    await engine.update('metadata/app', { metadata_cas: 7 });
    await engine.update('metadata/app', { max_versions: null, cas_required: null });
    expect((await engine.read('metadata/app'))?.data).toMatchObject({
      max_versions: 0,
      cas_required: false,
      current_metadata_version: 2,
    });
  });

  it('reads the newest version for a number below 1, and no names in no data', async () => {
    const engine = await openV2();
    await write(engine, 'app', null);
    expect((await engine.read('subkeys/app'))?.data?.subkeys).toBeNull();
    await write(engine, 'app', []);
    expect(await valueOf(engine, 'app', -1)).toEqual({});
  });

  it('deletes what was brought back by its age, too', async () => {
    const engine = await openV2();
    await engine.update('config', { delete_version_after: '1h' });
    await write(engine, 'app', { a: 1 });
    await engine.update('delete/app', { versions: [1] });
    await engine.update('undelete/app', { versions: [1] });
    expect(await valueOf(engine, 'app')).toEqual({ a: 1 });
    await engine.clock.advance(2 * 3_600_000);
    expect(await valueOf(engine, 'app')).toBeNull();
  });

  it('is of version 1 or 2, and of no other', () => {
    const engine = new KvEngine();
    for (const version of ['', '1', '2']) expect(() => engine.checkOptions({ version })).not.toThrow();
    expect(() => engine.checkOptions({ version: '3' })).toThrow('expected "1" or "2"');
    expect(() => engine.checkOptions({})).not.toThrow();
  });
});
