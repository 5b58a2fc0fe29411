import { offLoopWork } from '@coffer/sdk';
import type { Response } from '@coffer/sdk';
import { DatabaseEngine } from './database.fixture.ts';
import type { Database } from './database.fixture.ts';
import { describeEngine } from './describe-engine.ts';
import { openEngine } from './open-engine.ts';

const TEN_MINUTES_MS = 10 * 60_000;

describeEngine('database', new DatabaseEngine(), {
  prepare: async (engine) => {
    await engine.update('roles/plain', { ttl: 60 });
  },
});

async function opened() {
  const type = new DatabaseEngine();
  const engine = await openEngine(type);
  await engine.update('roles/app', { ttl: '2m' });
  const instance = engine.withType((_, own) => own as Database);
  return { engine, instance, outside: type.outside };
}

describe('an open engine', () => {
  it('leases: renews and revokes what an answer granted, by its own type', async () => {
    const { engine, outside } = await opened();
    const answer = await engine.read('creds/app');
    expect(answer?.secret).toMatchObject({ type: 'user', ttlSeconds: 120, maxTtlSeconds: 0, renewable: true });
    expect(outside.users.size).toBe(1);
    expect(await engine.renew(answer, 30)).toEqual({ ttlSeconds: 30 });
    outside.isDown = true;
    await expect(engine.revoke(answer)).rejects.toThrow('the database is down');
    outside.isDown = false;
    await engine.revoke(answer);
    expect(outside.users.size).toBe(0);
    for (const none of [undefined, {}, { secret: { ...answer?.secret, type: 'other' } } as unknown as Response])
      await expect(engine.revoke(none)).rejects.toThrow('leases nothing');
  });

  it('undoes what a handler that failed began outside, once it is old enough', async () => {
    const { engine, outside, instance } = await opened();
    await expect(engine.read('creds/app', { fail: true })).rejects.toThrow('cannot log in');
    await engine.read('creds/app');
    expect(outside.users.size).toBe(2);
    await engine.round();
    expect(outside.users.size).toBe(2);
    await engine.clock.advance(TEN_MINUTES_MS);
    outside.isDown = true;
    await expect(engine.round()).rejects.toThrow('the database is down');
    outside.isDown = false;
    await engine.round();
    expect(outside.users.size).toBe(1);
    expect([...(await engine.stored()).keys()]).toEqual(['role/app']);
    expect(instance.rounds).toBe(3);
  });

  it('tells the engine which of its keys changed', async () => {
    const { engine, instance } = await opened();
    await engine.update('roles/other');
    expect(instance.changed).toEqual(['role/app', 'role/other']);
  });

  it('tells create from update, without running the handler', async () => {
    const { engine } = await opened();
    expect(await engine.exists('roles/app')).toBe(true);
    expect(await engine.exists('roles/none')).toBe(false);
    expect(await engine.exists('creds/app')).toBeUndefined();
    expect([...(await engine.stored()).keys()]).toEqual(['role/app']);
  });

  it('answers raw', async () => {
    const { engine } = await opened();
    expect((await engine.read('rounds'))?.raw).toMatchObject({ status: 200, body: '0 app' });
  });

  it('refuses work for other threads that they would not find', async () => {
    const { instance } = await opened();
    const here = function notExported(): number {
      return 1;
    };
    const work = offLoopWork(new URL('hash.work.fixture.ts', import.meta.url).href, here);
    await expect(instance.mount.offLoop(work)).rejects.toThrow('exports no function notExported');
    expect(() =>
      offLoopWork(
        import.meta.url,
        (
          () => () =>
            1
        )(),
      ),
    ).toThrow('has a name');
  });

  it('gives a grant the terms that were asked for', async () => {
    const { engine } = await opened();
    await engine.update('roles/app', { ttl: 0 });
    expect((await engine.read('creds/app'))?.secret).toMatchObject({ ttlSeconds: 0, renewable: true });
  });
});
