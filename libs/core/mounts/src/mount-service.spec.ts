import { ROOT_NAMESPACE } from '@coffer/sdk';
import { active, kv, settled } from './mounts-world.fixture.ts';

describe('MountService', () => {
  it('enables a mount that serves, and keeps it over a restart', async () => {
    const { mounts, at, node } = await active();
    const entry = await mounts.enable(kv('/app/', { type: 'kv-v2', description: 'd' }));
    expect(entry).toMatchObject({
      path: 'app/',
      type: 'kv',
      options: { version: '2' },
      description: 'd',
      tainted: false,
    });
    expect(entry.accessor).toMatch(/^kv_[0-9a-f]{8}$/);
    expect(at('app/x')?.entry).toEqual(entry);
    const restarted = node(true);
    await restarted.mounts.start();
    expect(restarted.at('app/x')?.entry).toEqual(entry);
  });

  it.each([
    [kv(''), 'path must be specified'],
    [kv('a//b'), 'empty segments'],
    [kv('a/../b'), 'empty segments'],
    [kv('a/+/b'), 'control characters'],
    [kv('a*'), 'control characters'],
    [kv('a\nb'), 'control characters'],
    // Paths that no request could name.
    [kv('a\u200bb'), 'control characters'],
    [kv('a\ud800b'), 'control characters'],
    [kv(' a'), 'surrounding white space'],
    [kv('sys/x'), 'cannot mount "sys/x/"'],
    [kv('auth/x'), 'cannot mount'],
    [kv('identity'), 'cannot mount'],
    [kv('cubbyhole'), 'cannot mount'],
    [kv('token', { table: 'auth' }), 'cannot mount'],
    [kv('x', { type: '' }), 'backend type must be specified'],
    [kv('x', { type: 'nope' }), 'plugin not found in the catalog: nope'],
    [kv('x', { tuning: { defaultLeaseTtlSeconds: 20, maxLeaseTtlSeconds: 10 } }), 'greater than given max'],
    [kv('x', { tuning: { defaultLeaseTtlSeconds: 7201 } }), 'greater than system max'],
  ])('refuses to enable %j', async (request, text) => {
    const { mounts } = await active();
    await expect(mounts.enable(request)).rejects.toThrow(text);
    expect(mounts.list(request.table, ROOT_NAMESPACE).filter(({ type }) => type === 'kv')).toEqual([]);
  });

  it('refuses a mount at, above or below another, even asked for at once', async () => {
    const { mounts } = await active();
    await mounts.enable(kv('a/b'));
    for (const path of ['a/b', 'a', 'a/b/c'])
      await expect(mounts.enable(kv(path))).rejects.toThrow('already in use at a/b/');
    await mounts.enable(kv('a/bc'));
    const both = await Promise.allSettled([mounts.enable(kv('x')), mounts.enable(kv('x/y'))]);
    expect(both.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
  });

  it('disables: leases, clean-up, instance, storage, record', async () => {
    const { mounts, at, log, store, engineAt } = await active();
    const entry = await mounts.enable(kv('app'));
    const other = await mounts.enable(kv('other'));
    const { context } = engineAt('app/');
    for (const path of ['app/', 'other/'])
      await engineAt(path).context.transact((view) => {
        for (let key = 0; key < 600; key++) view.putJson(`k${String(key)}`, key);
      });
    await mounts.disable('secret', ROOT_NAMESPACE, '/app');
    expect(log.slice(-3)).toEqual(['revoke app/', 'cleanUp', 'stop kv']);
    expect(at('app/x')).toBeUndefined();
    expect(context.signal.aborted).toBe(true);
    expect(store.keys({ from: `logical/${entry.uuid}/`, to: `logical/${entry.uuid}0` })).toEqual([]);
    expect(store.keys({ from: `logical/${other.uuid}/`, to: `logical/${other.uuid}0` })).toHaveLength(600);
    await mounts.disable('secret', ROOT_NAMESPACE, 'app');
    await expect(mounts.disable('secret', ROOT_NAMESPACE, 'sys')).rejects.toThrow('cannot unmount "sys/"');
    expect(await mounts.enable(kv('app'))).not.toMatchObject({ uuid: entry.uuid });
  });

  it('tunes without a new instance, and refuses what contradicts itself', async () => {
    const { mounts, at } = await active();
    const entry = await mounts.enable(kv('app', { options: { a: '1' } }));
    const before = at('app/')?.engine;
    const after = await mounts.tune(entry, { maxLeaseTtlSeconds: 100 }, { description: 'new', options: { b: '2' } });
    expect(after).toMatchObject({
      tuning: { maxLeaseTtlSeconds: 100 },
      description: 'new',
      options: { a: '1', b: '2' },
    });
    expect(at('app/')).toMatchObject({ entry: after });
    expect(at('app/')?.engine).toBe(before);
    await expect(mounts.tune(entry, { defaultLeaseTtlSeconds: 101 }, {})).rejects.toThrow('would be less than');
  });

  it('moves a mount with its data, and says how it went', async () => {
    const { mounts, at, log, failing, node } = await active();
    const entry = await mounts.enable(kv('app'));
    const end = (path: string) => ({ table: 'secret' as const, namespace: ROOT_NAMESPACE, path });
    const id = await mounts.move(end('app'), end('team/app'));
    await settled();
    expect(await mounts.moveStatus(id)).toMatchObject({
      sourceMount: 'app/',
      targetMount: 'team/app/',
      status: 'success',
    });
    expect(at('app/x')).toBeUndefined();
    expect(at('team/app/x')?.entry).toMatchObject({ uuid: entry.uuid, accessor: entry.accessor, tainted: false });
    expect(log).toContain('revoke app/');
    for (const [from, to] of [
      ['none', 'x'],
      ['sys', 'x'],
      ['team/app', 'auth/x'],
      ['team/app', 'sys'],
      ['team/app', 'team/app'],
      ['team/app', 'team'],
      ['team/app', 'team/app/deeper'],
    ])
      await expect(mounts.move(end(from ?? ''), end(to ?? ''))).rejects.toMatchObject({ code: 'bad-request' });
    failing.add('revoke');
    const failed = await mounts.move(end('team/app'), end('again'));
    await settled();
    expect(await mounts.moveStatus(failed)).toMatchObject({ status: 'failure' });
    expect(at('team/app/x')?.entry).toMatchObject({ path: 'team/app/', tainted: false });
    const restarted = node(true);
    await restarted.mounts.start();
    expect(restarted.at('team/app/x')).toMatchObject({ prefix: 'team/app/' });
    expect(restarted.at('team/app/x')?.entry.tainted).toBe(false);
    expect(await mounts.moveStatus('../../x')).toBeUndefined();
  });

  it('keeps the outcome of a move for a day', async () => {
    const { mounts, time, store } = await active();
    await mounts.enable(kv('app'));
    const end = (path: string) => ({ table: 'secret' as const, namespace: ROOT_NAMESPACE, path });
    const first = await mounts.move(end('app'), end('one'));
    await settled();
    time.nowMs += 24 * 60 * 60 * 1000 - 1;
    const second = await mounts.move(end('one'), end('two'));
    await settled();
    expect(await mounts.moveStatus(first)).toMatchObject({ status: 'success' });
    time.nowMs += 1;
    await mounts.move(end('two'), end('three'));
    await settled();
    expect(await mounts.moveStatus(first)).toBeUndefined();
    expect(await mounts.moveStatus(second)).toMatchObject({ status: 'success' });
    expect(store.list('core/moves/')).toHaveLength(2);
  });

  it('taints a mount while it is moved: nobody is served, its engine is there for its leases', async () => {
    const { mounts, at, held, router, node } = await active();
    const replica = node(false);
    await replica.mounts.start();
    const entry = await mounts.enable(kv('app'));
    const { engine } = at('app/') ?? {};
    let release: () => void = () => undefined;
    held.revoke = new Promise((resolve) => (release = resolve));
    const end = (path: string) => ({ table: 'secret' as const, namespace: ROOT_NAMESPACE, path });
    const id = await mounts.move(end('app'), end('moved'));
    const again = await mounts.move(end('app'), end('elsewhere'));
    await settled();
    expect(await mounts.moveStatus(id)).toMatchObject({ status: 'in-progress' });
    expect(at('app/x')?.entry.tainted).toBe(true);
    expect(replica.at('app/x')?.entry.tainted).toBe(true);
    expect(router.byAccessor(entry.accessor)).toMatchObject({ engine });
    expect(router.byAccessor(entry.accessor)?.unavailable).toBeUndefined();
    release();
    await settled();
    expect(await mounts.moveStatus(id)).toMatchObject({ status: 'success' });
    expect(at('moved/x')).toMatchObject({ entry: { tainted: false }, engine });
    // What was asked for meanwhile finds nothing to move any more.
    expect(await mounts.moveStatus(again)).toMatchObject({ status: 'failure' });
    expect(at('elsewhere/x')).toBeUndefined();
  });

  it('lets a mount serve again whose move was cut off with its node', async () => {
    const { mounts, held, store, node } = await active();
    const entry = await mounts.enable(kv('app'));
    held.revoke = new Promise(() => undefined);
    const end = (path: string) => ({ table: 'secret' as const, namespace: ROOT_NAMESPACE, path });
    const id = await mounts.move(end('app'), end('moved'));
    await settled();
    const successor = node(true);
    await successor.mounts.start();
    expect(successor.at('app/x')?.entry.tainted).toBe(true);
    await successor.mounts.activate();
    await settled();
    expect(successor.at('app/x')?.entry).toEqual(entry);
    expect(await successor.mounts.moveStatus(id)).toMatchObject({ status: 'failure' });
    expect(JSON.parse(Buffer.from(store.get(`core/mounts/${entry.uuid}`) ?? []).toString())).toEqual(entry);
    const next = await successor.mounts.move(end('app'), end('moved'));
    await settled();
    expect(await successor.mounts.moveStatus(next)).toMatchObject({ status: 'success' });
  });

  it('keeps a mount, tainted, whose leases cannot be revoked, until that is tried again', async () => {
    const { mounts, at, failing, log, node, store } = await active();
    const entry = await mounts.enable(kv('app'));
    failing.add('revoke');
    const disabled = mounts.disable('secret', ROOT_NAMESPACE, 'app');
    await expect(disabled).rejects.toMatchObject({
      status: 400,
      message: expect.stringContaining('sys/leases/revoke-force/app/') as unknown,
    });
    await expect(disabled).rejects.not.toThrow('hunter2');
    expect(log).not.toContain('cleanUp');
    expect(at('app/x')).toMatchObject({ entry: { tainted: true } });
    expect(mounts.list('secret', ROOT_NAMESPACE).find(({ path }) => path === 'app/')?.tainted).toBe(true);
    await expect(mounts.enable(kv('app'))).rejects.toThrow('already in use');
    const restarted = node(true);
    await restarted.mounts.start();
    await restarted.mounts.activate();
    await settled();
    expect(restarted.at('app/x')?.entry.tainted).toBe(true);
    await restarted.mounts.disable('secret', ROOT_NAMESPACE, 'app');
    expect(restarted.at('app/x')).toBeUndefined();
    expect(store.get(`core/mounts/${entry.uuid}`)).toBeUndefined();
    expect(restarted.log).toContain('cleanUp');
  });

  it('undoes what was begun outside before a mount goes', async () => {
    const { mounts, engineAt, log } = await active();
    await mounts.enable(kv('app'));
    await engineAt('app/').context.intents.record('user', { name: 'u1' });
    await mounts.disable('secret', ROOT_NAMESPACE, 'app');
    expect(log.slice(-4)).toEqual(['rollback app/ user {"name":"u1"}', 'revoke app/', 'cleanUp', 'stop kv']);
  });

  it('starts mounts each by itself when it becomes active, and says which still do', async () => {
    const { mounts, node } = await active();
    await mounts.enable(kv('app'));
    await mounts.enable(kv('other'));
    const successor = node(true);
    let release: () => void = () => undefined;
    successor.held.start = new Promise((resolve) => (release = resolve));
    successor.failing.add('start other/');
    await successor.mounts.start();
    expect(successor.at('app/x')?.starting).toBeUndefined();
    await successor.mounts.activate();
    expect(successor.log).toEqual(expect.arrayContaining(['start app/', 'start other/']));
    const { starting } = successor.at('app/x') ?? {};
    expect(starting).toBeInstanceOf(Promise);
    // What changes the mount meanwhile changes nothing of this.
    const entry = successor.at('app/x')?.entry;
    if (entry) await successor.mounts.tune(entry, {}, { description: 'tuned' });
    expect(successor.at('app/x')).toMatchObject({ starting, entry: { description: 'tuned' } });
    release();
    await settled();
    for (const path of ['app/x', 'other/x']) {
      expect(successor.at(path)?.starting).toBeUndefined();
      expect(successor.at(path)?.unavailable).toBeUndefined();
    }
    expect(successor.at('app/x')?.entry.description).toBe('tuned');
  });

  it('remembers that options were null until there are some', async () => {
    const { mounts } = await active();
    const none = await mounts.enable(kv('none', { options: null }));
    expect(none).toMatchObject({ options: {}, optionsNull: true });
    expect(await mounts.tune(none, {}, { description: 'd' })).toHaveProperty('optionsNull');
    expect(await mounts.tune(none, {}, { options: { a: '1' } })).not.toHaveProperty('optionsNull');
    expect(await mounts.enable(kv('implied', { type: 'kv-v2', options: null }))).not.toHaveProperty('optionsNull');
    expect(await mounts.enable(kv('empty', { options: {} }))).not.toHaveProperty('optionsNull');
  });

  it('is followed by other nodes: new, moved and ended mounts, and changed keys', async () => {
    const { mounts, node, engineAt } = await active();
    const replica = node(false);
    await replica.mounts.start();
    await mounts.enable(kv('app'));
    await settled();
    await engineAt('app/').context.transact((view) => view.putJson('config', 1));
    expect(replica.engineAt('app/').invalidated).toEqual(['config']);
    const end = (path: string) => ({ table: 'secret' as const, namespace: ROOT_NAMESPACE, path });
    await mounts.move(end('app'), end('moved'));
    await settled();
    expect(replica.at('app/x')).toBeUndefined();
    expect(replica.at('moved/x')).toBeDefined();
    expect(replica.at('moved/x')?.entry.tainted).toBe(false);
    await mounts.disable('secret', ROOT_NAMESPACE, 'moved');
    await settled();
    expect(replica.at('moved/x')).toBeUndefined();
    expect(replica.mounts.list('secret', ROOT_NAMESPACE).map(({ path }) => path)).toEqual(['sys/']);
  });

  it('lets the others serve where one cannot be made, or its type is gone', async () => {
    const { mounts, node, transactor } = await active();
    const broken = await mounts.enable(kv('broken'));
    await mounts.enable(kv('fine'));
    await transactor.run((tx) =>
      tx.put(
        'core/mounts/u-gone',
        Buffer.from(JSON.stringify({ ...broken, uuid: 'u-gone', path: 'gone/', type: 'gone', accessor: 'gone_1' })),
      ),
    );
    const restarted = node(true);
    restarted.failing.add('broken/');
    await restarted.mounts.start();
    await restarted.mounts.activate();
    expect(restarted.at('broken/x')?.unavailable).toBe('the mount at broken/ could not be started');
    expect(restarted.at('gone/x')?.unavailable).toBeDefined();
    expect(restarted.at('fine/x')?.unavailable).toBeUndefined();
    await restarted.mounts.tune(broken, {}, { description: 'still' });
    expect(restarted.at('broken/x')?.unavailable).toBeDefined();
  });

  it('undoes intents that were left behind, once, also where another mount fails', async () => {
    const { mounts, engineAt, log, rounds, time, failing } = await active();
    await mounts.enable(kv('a'));
    await mounts.enable(kv('b'));
    failing.add('periodic a/');
    const { context } = engineAt('b/');
    await context.intents.record('user', { name: 'u1' });
    const done = await context.intents.record('user', { name: 'u2' });
    await context.intents.record('of an older release', {});
    await context.intents.record('user', { name: 'u3' });
    failing.add('undo u3');
    await context.transact((view) => context.intents.settle(view, done));
    const round = async (): Promise<readonly string[]> => {
      for (const run of rounds) run();
      await settled();
      return log.filter((line) => line.startsWith('rollback'));
    };
    expect(await round()).toEqual([]);
    time.nowMs += 10 * 60_000;
    expect(await round()).toEqual(['rollback b/ user {"name":"u1"}']);
    failing.clear();
    expect(await round()).toEqual(['rollback b/ user {"name":"u1"}', 'rollback b/ user {"name":"u3"}']);
    expect(await round()).toHaveLength(2);
  });
});
