import { Secret, isPromise } from '@coffer/kernel';
import type { CreatedToken } from '@coffer/core-api';
import { TestStore, settled } from '@coffer/testing';
import { login, newToken, world } from './world.fixture.ts';

const everything = { from: 'sys/token/', to: 'sys/token0' };

describe('service tokens', () => {
  it('are found by themselves and by their accessor, without waiting', async () => {
    const { tokens, create } = world();
    const { token, entry } = await create();
    expect(token.reveal()).toMatch(/^hvs\.[0-9A-Za-z]{24}$/);
    const found = tokens.lookup(token);
    expect(isPromise(found)).toBe(false);
    expect(found).toEqual(entry);
    expect(await tokens.byAccessor(entry.accessor)).toEqual(entry);
    expect(await tokens.accessors()).toEqual([entry.accessor]);
  });

  it('are nowhere in the store, neither in keys nor in values', async () => {
    const { store, create } = world();
    const { token } = await create();
    for (const key of store.keys({ from: '', to: '~' })) {
      expect(key).not.toContain(token.reveal());
      expect(Buffer.from(store.get(key) ?? []).toString()).not.toContain(token.reveal());
    }
  });

  it('end when their time is over', async () => {
    const { tokens, create, clock } = world();
    const { token } = await create({ ttlSeconds: 60 });
    await clock.advance(59_999);
    expect(await tokens.lookup(token)).toBeDefined();
    await clock.advance(1);
    expect(await tokens.lookup(token)).toBeUndefined();
  });

  it.each(['', 'hvs.', 'hvs.AAAAAAAAAAAAAAAAAAAAAAAA', 'root', 'x'.repeat(100_000)])('are not %#', async (text) => {
    const { tokens, create } = world();
    await create();
    expect(await tokens.lookup(new Secret(text))).toBeUndefined();
  });

  it('are gone on a replica as soon as the revocation is applied there', async () => {
    const store = new TestStore();
    const active = world(store);
    const replica = world(store);
    const { token, entry } = await active.create();
    expect(await replica.tokens.lookup(token)).toBeDefined();
    await active.tokens.revokeTree(entry.saltedId);
    expect(await replica.tokens.lookup(token)).toBeUndefined();
  });
});

describe('use limits', () => {
  it('hold under parallel requests', async () => {
    const { tokens, transactor, create } = world();
    const { token, entry } = await create({ numUses: 5 });
    const spent = await Promise.all(
      Array.from({ length: 20 }, () => transactor.run((tx) => tokens.spendUse(tx, entry))),
    );
    expect(spent.filter(({ allowed }) => allowed)).toHaveLength(5);
    expect(spent.filter(({ last }) => last)).toHaveLength(1);
    expect(await tokens.lookup(token)).toBeUndefined();
  });

  it('are cleaned up on the active node though nobody asks for it', async () => {
    const { tokens, transactor, create, store } = world();
    tokens.activate();
    const { entry } = await create({ numUses: 1 });
    await transactor.run((tx) => tokens.spendUse(tx, entry));
    await settled();
    expect(store.keys(everything)).toEqual([]);
  });
});

describe('revocation', () => {
  async function family(w: ReturnType<typeof world>): Promise<CreatedToken[]> {
    const root = await w.create();
    const all = [root];
    for (let n = 0; n < 150; n++) {
      const child = await w.create({ parent: root.entry });
      all.push(child, await w.create({ parent: child.entry }));
    }
    return all;
  }

  it('takes the whole tree, its leases and its cubbyholes', async () => {
    const w = world();
    const all = await family(w);
    const bystander = await w.create();
    const [root] = all;
    const saltedId = root?.entry.saltedId ?? '';
    await w.store.write({
      epoch: 1,
      ops: [{ kind: 'put', key: `logical/cubbyhole_1/${saltedId}/a/b`, value: new Uint8Array(1) }],
    });
    await w.tokens.revokeTree(saltedId);
    for (const { token, entry } of all) {
      expect(await w.tokens.lookup(token)).toBeUndefined();
      expect(w.leases.revokedTokens.has(entry.saltedId)).toBe(true);
    }
    expect(await w.tokens.lookup(bystander.token)).toBeDefined();
    expect(w.store.keys(everything)).toHaveLength(2);
    expect([...w.leases.tokens.keys()]).toEqual([bystander.entry.saltedId]);
    expect(w.store.keys({ from: 'logical/', to: 'logical0' })).toEqual([]);
  });

  it.each([1, 2, 3, 4, 7, 20])('is finished by the next active node after a crash at write %i', async (writes) => {
    const store = new TestStore();
    const first = world(store);
    const all = await family(first);
    store.writesLeft = writes;
    await expect(first.tokens.revokeTree(all[0]?.entry.saltedId ?? '')).rejects.toThrow('the disk is full');
    store.writesLeft = Number.POSITIVE_INFINITY;
    first.tokens.stop();
    const second = world(store);
    expect(await second.tokens.lookup(all[0]?.token ?? new Secret(''))).toBeUndefined();
    second.tokens.activate();
    for (let turn = 0; turn < 60; turn++) await settled();
    expect(store.keys(everything)).toEqual([]);
  });

  it('leaves no child that was made at the same time', async () => {
    const w = world();
    const parent = await w.create();
    const made = await Promise.allSettled(
      Array.from({ length: 10 }, async (_, n) => {
        if (n === 5) await w.tokens.revokeTree(parent.entry.saltedId);
        return w.transactor.run(async (tx) => {
          const alive = await w.tokens.inTransaction(tx, parent.entry.saltedId);
          await Promise.resolve();
          if (!alive) throw new Error('the parent is gone');
          return w.tokens.create(tx, newToken({ parent: alive }));
        });
      }),
    );
    for (const outcome of made)
      if (outcome.status === 'fulfilled') expect(await w.tokens.lookup(outcome.value.token)).toBeUndefined();
    expect(made.some(({ status }) => status === 'rejected')).toBe(true);
  });

  it('of one alone makes orphans of its children', async () => {
    const { tokens, create } = world();
    const parent = await create();
    const child = await create({ parent: parent.entry });
    await tokens.revokeOrphan(parent.entry.saltedId);
    expect(await tokens.lookup(parent.token)).toBeUndefined();
    expect(await tokens.lookup(child.token)).toMatchObject({ parent: '' });
  });

  it('of what is not there does nothing', async () => {
    const { tokens } = world();
    await expect(tokens.revokeTree('00')).resolves.toBeUndefined();
  });

  it('leaves nothing for tidy, which removes what leads nowhere', async () => {
    const { tokens, create, store } = world();
    const parent = await create();
    const child = await create({ parent: parent.entry });
    expect(await tokens.tidy()).toEqual({ accessorsRemoved: 0, childrenRemoved: 0 });
    await store.write({ epoch: 1, ops: [{ kind: 'delete', key: `sys/token/id/${parent.entry.saltedId}` }] });
    expect(await tokens.tidy()).toEqual({ accessorsRemoved: 1, childrenRemoved: 1 });
    expect(await tokens.lookup(child.token)).toMatchObject({ parent: '' });
  });
});

describe('batch tokens', () => {
  it('carry themselves and are stored nowhere', async () => {
    const { tokens, create, store } = world();
    const { token, entry } = await create({ type: 'batch', metadata: { a: 'b' } });
    expect(token.reveal()).toMatch(/^hvb\./);
    expect(store.keys({ from: '', to: '~' })).toEqual([]);
    expect(await tokens.lookup(token)).toEqual(entry);
    expect(entry).toMatchObject({ type: 'batch', accessor: '', renewable: false, metadata: { a: 'b' } });
  });

  it('are good for nothing with any bit changed, cut or of another cluster', async () => {
    const { tokens, create } = world();
    const { token } = await create({ type: 'batch' });
    const bytes = Buffer.from(token.reveal().slice(4), 'base64url');
    for (let at = 0; at < bytes.length; at++) {
      const forged = Buffer.from(bytes);
      forged[at] = (forged[at] ?? 0) ^ 1;
      expect(await tokens.lookup(new Secret(`hvb.${forged.toString('base64url')}`))).toBeUndefined();
    }
    for (const text of [token.reveal().slice(0, -1), `${token.reveal()}A`, `${token.reveal()}=`, 'hvb.', 'hvb.AAAA'])
      expect(await tokens.lookup(new Secret(text))).toBeUndefined();
  });

  it('end with their time, and with their parent', async () => {
    const { tokens, create, clock } = world();
    const parent = await create();
    const child = await create({ type: 'batch', parent: parent.entry, ttlSeconds: 600 });
    const orphan = await create({ type: 'batch', ttlSeconds: 600 });
    expect(await tokens.lookup(child.token)).toBeDefined();
    await tokens.revokeTree(parent.entry.saltedId);
    expect(await tokens.lookup(child.token)).toBeUndefined();
    expect(await tokens.lookup(orphan.token)).toBeDefined();
    await clock.advance(600_000);
    expect(await tokens.lookup(orphan.token)).toBeUndefined();
  });
});

describe('logins', () => {
  const mount = {
    accessor: 'auth_userpass_1',
    path: 'userpass/',
    namespace: { id: 'root', path: '' },
    type: 'userpass',
  };
  const from = { path: 'auth/userpass/login/ann', remoteAddress: '10.0.0.7' };
  const loggedIn = (w: ReturnType<typeof world>, more: Partial<typeof login> = {}) =>
    w.transactor.run((tx) => w.tokens.login(tx, { ...login, ...more }, mount, from));
  const logIn = async (w: ReturnType<typeof world>, more: Partial<typeof login> = {}) => (await loggedIn(w, more)).auth;

  it('make an orphan with the default policy, named for mount and user', async () => {
    const w = world();
    const auth = await logIn(w, { alias: { name: 'ann' } });
    expect(auth).toMatchObject({
      policies: ['app', 'default'],
      ttlSeconds: 2_764_800,
      orphan: true,
      renewable: true,
      entityId: 'entity-1',
    });
    const entry = await w.tokens.lookup(new Secret(auth.clientToken));
    expect(entry).toMatchObject({ displayName: 'userpass-ann', path: 'auth/userpass/login/ann' });
  });

  it.each(['root', ' Root', 'ROOT', 'ro\u0000ot', '\u200broot', 'ｒｏｏｔ'])(
    'never make root tokens (%j)',
    async (name) => {
      await expect(logIn(world(), { policies: [name] })).rejects.toThrow('auth methods cannot create root tokens');
    },
  );

  it('are bound to where they came from, or to the blocks of the role', async () => {
    const w = world();
    for (const [strictlyBindIp, expected] of [
      [true, ['10.0.0.7']],
      [false, ['10.1.0.0/16']],
    ] as const) {
      const parameters = { ...login.parameters, strictlyBindIp, boundCidrs: ['10.1.0.0/16'] };
      const { clientToken } = await logIn(w, { parameters });
      expect((await w.tokens.lookup(new Secret(clientToken)))?.boundCidrs).toEqual(expected);
    }
  });

  it('tell where a TTL was cut', async () => {
    const parameters = { ...login.parameters, ttlSeconds: 7200, maxTtlSeconds: 3600 };
    expect((await loggedIn(world(), { parameters })).warnings).toEqual([
      'TTL of "2h" exceeded the effective max_ttl of "1h"; TTL value is capped accordingly',
    ]);
    expect((await loggedIn(world())).warnings).toEqual([]);
  });

  it('keep to TTL, maximum, period and type of the role', async () => {
    const parameters = { ...login.parameters, ttlSeconds: 7200, maxTtlSeconds: 3600 };
    expect(await logIn(world(), { parameters })).toMatchObject({ ttlSeconds: 3600 });
    expect(await logIn(world(), { parameters: { ...parameters, periodSeconds: 60 } })).toMatchObject({
      ttlSeconds: 60,
    });
    expect(await logIn(world(), { parameters: { ...parameters, type: 'batch' } })).toMatchObject({
      tokenType: 'batch',
      accessor: '',
      renewable: false,
    });
  });
});
