import { silentLog, systemRandom } from '@coffer/kernel';
import { ROOT_NAMESPACE } from '@coffer/sdk';
import type { EngineType } from '@coffer/sdk';
import type { LiveMount, Router } from '@coffer/core-api';
import { ManualClock, TestStore, settled } from '@coffer/testing';
import { LeaseService } from './lease-service.ts';
import { dueKey, encodeLease, idKey } from './records.ts';
import type { StoredLease } from './records.ts';

const HOUR_MS = 3_600_000;

/** A mount whose secrets are only remembered when they are revoked. */
function world(store = new TestStore()) {
  const clock = new ManualClock();
  const revoked: string[] = [];
  const endedTokens: string[] = [];
  const faults = { revoke: 0 };
  const type: EngineType<null> = {
    help: { synopsis: 'x', description: 'x' },
    paths: [],
    create: () => null,
    secretTypes: [
      {
        type: 'user',
        renew: (_, _internal, { incrementSeconds }) => ({ ttlSeconds: incrementSeconds }),
        revoke: (_, internal) => {
          if (faults.revoke > 0) {
            faults.revoke -= 1;
            throw new Error('the database is down');
          }
          revoked.push(String(internal.user));
        },
      },
    ],
  };
  const mount = {
    entry: { accessor: 'db_1', namespace: ROOT_NAMESPACE },
    type,
    engine: null,
    prefix: 'database/',
    storagePrefix: 'logical/1/',
    context: {
      signal: new AbortController().signal,
      system: { defaultLeaseTtlSeconds: () => 3600, maxLeaseTtlSeconds: () => 86_400 },
    },
  } as unknown as LiveMount;
  const router = { byAccessor: (name: string) => (name === 'db_1' ? mount : undefined) } as unknown as Router;
  const transactor = store.transactor();
  const leases = new LeaseService({
    backend: store,
    transactor,
    router: () => router,
    clock,
    random: systemRandom,
    log: silentLog,
    endToken: (id) => {
      endedTokens.push(id);
      return Promise.resolve();
    },
  });
  leases.start();
  const grant = (user: string, ttlSeconds = 3600, more: { tokenExpiresMs?: number; tokenType?: 'batch' } = {}) =>
    transactor.run((tx) =>
      leases.registerSecret(
        tx,
        { type: 'user', ttlSeconds, maxTtlSeconds: 0, renewable: true, internal: { user } },
        {
          namespace: ROOT_NAMESPACE,
          mountAccessor: 'db_1',
          path: 'database/creds/r',
          saltedTokenId: 'abc',
          data: {},
          tokenExpiresMs: more.tokenExpiresMs ?? 0,
          ...(more.tokenType ? { tokenType: more.tokenType } : {}),
        },
      ),
    );
  return { store, clock, revoked, endedTokens, faults, transactor, leases, grant, mount };
}

describe('leases of secrets', () => {
  it('are revoked at their end, and not a moment earlier', async () => {
    const { clock, leases, grant, revoked, store } = world();
    leases.activate();
    await grant('ann');
    await clock.advance(HOUR_MS - 1);
    expect(revoked).toEqual([]);
    await clock.advance(1);
    expect(revoked).toEqual(['ann']);
    expect(store.keys({ from: 'sys/expire/', to: 'sys/expire0' })).toEqual([]);
  });

  it('live on when they were renewed, by the length that was asked for', async () => {
    const { clock, leases, grant, revoked } = world();
    leases.activate();
    const { leaseId } = await grant('ann');
    await clock.advance(HOUR_MS / 2);
    const renewed = await leases.renew(ROOT_NAMESPACE, leaseId, 7200);
    expect(renewed.ttlSeconds).toBe(7200);
    await clock.advance(2 * HOUR_MS - 1);
    expect(revoked).toEqual([]);
    await clock.advance(1);
    expect(revoked).toEqual(['ann']);
  });

  it('can be revoked, but not renewed, while their mount is tainted', async () => {
    const { leases, grant, revoked, mount } = world();
    const { leaseId } = await grant('ann');
    Object.assign(mount.entry, { tainted: true });
    await expect(leases.renew(ROOT_NAMESPACE, leaseId, 60)).rejects.toMatchObject({ code: 'bad-request' });
    await leases.revokePrefix(ROOT_NAMESPACE, 'database/', { sync: true, force: false });
    expect(revoked).toEqual(['ann']);
  });

  it('have one place in the index of due times', async () => {
    const { leases, grant, store, clock } = world();
    const { leaseId } = await grant('ann');
    await clock.advance(1000);
    await leases.renew(ROOT_NAMESPACE, leaseId, 7200);
    expect(store.keys({ from: 'sys/expire/due/', to: 'sys/expire/due0' })).toEqual([
      dueKey(clock.nowMs() + 7_200_000, 'root', leaseId),
    ]);
  });

  it('are spared by a renewal that comes between being found due and being revoked', async () => {
    const { leases, grant, store, clock, revoked } = world();
    leases.activate();
    const { leaseId } = await grant('ann');
    const read = store.getParsed.bind(store);
    let overtaken = false;
    store.getParsed = ((key: string, parse: (bytes: Uint8Array) => unknown) => {
      const value = read(key, parse);
      if (overtaken || !key.startsWith('sys/expire/id/')) return value;
      overtaken = true;
      const { expiresMs, ...lease } = value as StoredLease;
      const later = { ...lease, expiresMs: expiresMs + HOUR_MS, dueMs: expiresMs + HOUR_MS };
      return store
        .write({
          epoch: 1,
          ops: [
            { kind: 'put', key, value: encodeLease(later) },
            { kind: 'put', key: dueKey(later.dueMs, 'root', leaseId), value: new Uint8Array(0) },
          ],
        })
        .then(() => value);
    }) as typeof store.getParsed;
    await clock.advance(2 * HOUR_MS - 1);
    expect(overtaken).toBe(true);
    expect(revoked).toEqual([]);
    await clock.advance(1);
    expect(revoked).toEqual(['ann']);
  });

  it('cannot be renewed past the maximum, and say so', async () => {
    const { clock, leases, grant } = world();
    const { leaseId } = await grant('ann', 86_400);
    await clock.advance(23 * HOUR_MS);
    const { ttlSeconds, warnings } = await leases.renew(ROOT_NAMESPACE, leaseId, 7200);
    expect(ttlSeconds).toBe(3600);
    expect(warnings).toHaveLength(1);
    await clock.advance(HOUR_MS);
    await expect(leases.renew(ROOT_NAMESPACE, leaseId, 60)).rejects.toThrow('lease expired');
  });

  it('are tried again with growing waits while they cannot be revoked', async () => {
    const { clock, leases, grant, revoked, faults } = world();
    leases.activate();
    faults.revoke = 2;
    await grant('ann');
    await clock.advance(HOUR_MS + 10_000 + 19_999);
    expect(revoked).toEqual([]);
    await clock.advance(1);
    expect(revoked).toEqual(['ann']);
  });

  it('are irrevocable after six attempts, until someone asks again', async () => {
    const { clock, leases, grant, revoked, faults } = world();
    leases.activate();
    faults.revoke = 6;
    const { leaseId } = await grant('ann');
    await clock.advance(48 * HOUR_MS);
    expect(faults.revoke).toBe(0);
    expect(revoked).toEqual([]);
    const [stuck] = await leases.irrevocable(10);
    expect(stuck).toMatchObject({ id: leaseId, revokeError: 'the database is down', revokeAttempts: 6 });
    await leases.revoke(ROOT_NAMESPACE, leaseId, { sync: true });
    expect(revoked).toEqual(['ann']);
    expect(await leases.irrevocable(10)).toEqual([]);
  });

  it('are dropped by force though the engine refuses', async () => {
    const { leases, grant, faults } = world();
    const { leaseId } = await grant('ann');
    faults.revoke = 9;
    await expect(leases.revoke(ROOT_NAMESPACE, leaseId, { sync: true })).rejects.toThrow('the database is down');
    await leases.revokePrefix(ROOT_NAMESPACE, 'database/creds', { sync: true, force: true });
    expect(await leases.get(ROOT_NAMESPACE, leaseId)).toBeUndefined();
  });

  it('go with their token, in the background', async () => {
    const { clock, leases, grant, revoked } = world();
    leases.activate();
    for (let n = 0; n < 150; n++) await grant(`user-${String(n)}`);
    await leases.revokeByToken('abc');
    await clock.advance(1000);
    expect(revoked).toHaveLength(150);
  });

  it('of a batch token end with it', async () => {
    const { clock, grant } = world();
    const { ttlSeconds } = await grant('ann', 3600, { tokenType: 'batch', tokenExpiresMs: clock.nowMs() + 60_000 });
    expect(ttlSeconds).toBe(60);
  });

  it('survive a store that fails in between: nothing is lost, and nothing half done', async () => {
    const store = new TestStore();
    const { clock, leases, grant, revoked } = world(store);
    leases.activate();
    for (let n = 0; n < 5; n++) await grant(`user-${String(n)}`);
    store.writesLeft = 2;
    await clock.advance(HOUR_MS);
    store.writesLeft = Number.POSITIVE_INFINITY;
    await clock.advance(5000);
    expect(new Set(revoked)).toEqual(new Set(['user-0', 'user-1', 'user-2', 'user-3', 'user-4']));
    expect(store.keys({ from: 'sys/expire/', to: 'sys/expire0' })).toEqual([]);
  });

  it('wait while the node is not active', async () => {
    const { clock, leases, grant, revoked } = world();
    leases.activate();
    await grant('ann');
    leases.deactivate();
    await clock.advance(2 * HOUR_MS);
    expect(revoked).toEqual([]);
    leases.activate();
    await clock.advance(0);
    expect(revoked).toEqual(['ann']);
  });

  it('are listed by folders', async () => {
    const { leases, grant } = world();
    const { leaseId } = await grant('ann');
    expect(await leases.list(ROOT_NAMESPACE, 'database')).toEqual(['creds/']);
    expect(await leases.list(ROOT_NAMESPACE, 'database/creds/r/')).toEqual([leaseId.split('/').at(-1)]);
    expect(await leases.count(ROOT_NAMESPACE, 'all')).toBe(1);
  });
});

describe('leases of tokens', () => {
  it('end the token', async () => {
    const { clock, leases, transactor, endedTokens } = world();
    leases.activate();
    const id = await transactor.run((tx) =>
      leases.registerToken(tx, {
        namespace: ROOT_NAMESPACE,
        mountAccessor: '',
        path: 'auth/token/create',
        saltedTokenId: 'f00',
        expiresMs: clock.nowMs() + 1000,
        issuedMs: clock.nowMs(),
        renewable: true,
        ttlSeconds: 1,
      }),
    );
    expect(id).toBe('auth/token/create/hf00');
    await expect(leases.renew(ROOT_NAMESPACE, id, 10)).rejects.toThrow('tokens cannot be renewed');
    await clock.advance(999);
    expect(endedTokens).toEqual([]);
    await clock.advance(1);
    expect(endedTokens).toEqual(['f00']);
  });
});

describe('a start with many leases', () => {
  it('reads what is due, not what exists', async () => {
    const store = new TestStore();
    const { clock, leases } = world(store);
    const ops = [];
    for (let n = 0; n < 100_000; n++) {
      const id = `database/creds/r/${String(n)}`;
      const dueMs = clock.nowMs() + HOUR_MS + n;
      ops.push({ kind: 'put' as const, key: dueKey(dueMs, 'root', id), value: new Uint8Array(0) });
    }
    const key = idKey('root', 'x');
    ops.push({ kind: 'put' as const, key, value: encodeLease({ id: 'x', dueMs: 0 } as never) });
    await store.write({ ops, epoch: 1 });
    store.keysRead = 0;
    store.valuesRead = 0;
    leases.activate();
    await clock.advance(0);
    await settled();
    expect(store.keysRead).toBeLessThan(10);
    expect(store.valuesRead).toBe(0);
  });
});
