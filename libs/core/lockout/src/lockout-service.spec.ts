import type { MountEntry } from '@coffer/core-api';
import { InmemBackend, OptimisticTransactor } from '@coffer/storage';
import type { ParsingBackend } from '@coffer/storage';
import { LockoutService } from './lockout-service.ts';

class Store extends InmemBackend implements ParsingBackend {
  getParsed<T>(key: string, parse: (bytes: Uint8Array) => T): T | undefined {
    const bytes = this.get(key);
    return bytes === undefined ? undefined : parse(bytes);
  }
}

const mount = (more: Partial<MountEntry> = {}): MountEntry =>
  ({ accessor: 'auth_userpass_1', type: 'userpass', tuning: {}, ...more }) as unknown as MountEntry;

function world() {
  const time = { nowMs: 1_700_000_000_000 };
  const clock = {
    nowMs: () => time.nowMs,
    monotonicMs: () => time.nowMs,
    after: () => () => undefined,
    every: () => () => undefined,
  };
  const store = new Store();
  const transactor = new OptimisticTransactor(store, { state: () => ({ role: 'active', epoch: 1, sinceMs: 0 }) });
  const make = (): LockoutService => new LockoutService({ backend: store, transactor, clock });
  return { time, lockout: make(), restarted: make, store, transactor };
}

async function fail(lockout: LockoutService, times: number, user = 'ann', on = mount()): Promise<void> {
  for (let attempt = 0; attempt < times; attempt++) await lockout.failed(on, user);
}

const MINUTES_15_MS = 15 * 60_000;

describe('LockoutService', () => {
  it('locks a user out after five failures, for 15 minutes', async () => {
    const { lockout, time } = world();
    await fail(lockout, 4);
    expect(await lockout.isLocked(mount(), 'ann')).toBe(false);
    await fail(lockout, 1);
    expect(await lockout.isLocked(mount(), 'ann')).toBe(true);
    expect(await lockout.isLocked(mount(), 'bob')).toBe(false);
    time.nowMs += MINUTES_15_MS - 1;
    expect(await lockout.isLocked(mount(), 'ann')).toBe(true);
    time.nowMs += 1;
    expect(await lockout.isLocked(mount(), 'ann')).toBe(false);
    expect((await lockout.locked()).size).toBe(0);
  });

  it('counts all spellings of a name as one user', async () => {
    const { lockout } = world();
    for (const spelling of ['ann', 'ANN', ' Ann ', '\uFF41nn', 'aNN\t']) await lockout.failed(mount(), spelling);
    for (const spelling of ['ann', 'Ann', '\uFF21\uFF2E\uFF2E', ' ann'])
      expect([spelling, await lockout.isLocked(mount(), spelling)]).toEqual([spelling, true]);
  });

  it('keeps no more than so much of a name, and tells long ones apart', async () => {
    const { lockout, store } = world();
    const long = 'x'.repeat(60_000);
    await fail(lockout, 5, `${long}a`);
    expect(await lockout.isLocked(mount(), `${long}A`)).toBe(true);
    expect(await lockout.isLocked(mount(), `${long}b`)).toBe(false);
    for (const key of store.keys({ from: '', to: '~' })) expect(key.length).toBeLessThan(300);
    await lockout.unlock('auth_userpass_1', `${long}a`);
    expect(await lockout.isLocked(mount(), `${long}a`)).toBe(false);
  });

  it('counts users of each mount by themselves, whatever names hold', async () => {
    const { lockout } = world();
    await fail(lockout, 5, '../auth_userpass_2/ann');
    expect(await lockout.isLocked(mount({ accessor: 'auth_userpass_2' }), 'ann')).toBe(false);
    expect([...(await lockout.locked())]).toEqual([['auth_userpass_1', ['../auth_userpass_2/ann']]]);
    expect((await lockout.locked('auth_userpass')).size).toBe(0);
  });

  it('forgets failures after a login, and after a while', async () => {
    const { lockout, time } = world();
    await fail(lockout, 4);
    lockout.succeeded(mount(), 'ANN');
    await fail(lockout, 4);
    expect(await lockout.isLocked(mount(), 'ann')).toBe(false);
    time.nowMs += MINUTES_15_MS;
    await fail(lockout, 4);
    expect(await lockout.isLocked(mount(), 'ann')).toBe(false);
  });

  it('lets a user in again who is unlocked, by any spelling', async () => {
    const { lockout } = world();
    await fail(lockout, 5);
    expect([...(await lockout.locked())]).toEqual([['auth_userpass_1', ['ann']]]);
    await lockout.unlock('auth_userpass_1', 'ANN');
    expect(await lockout.isLocked(mount(), 'ann')).toBe(false);
    await fail(lockout, 4);
    expect(await lockout.isLocked(mount(), 'ann')).toBe(false);
  });

  it('takes back a right guess that was judged while enough wrong ones were counted', async () => {
    const { lockout, transactor } = world();
    let runs = 0;
    const login = transactor.run(async (tx) => {
      // All that is known at its start: nobody is locked out.
      const locked = await lockout.isLockedIn(tx, mount(), 'Ann');
      if (++runs === 1) await fail(lockout, 5);
      if (locked) throw new Error('locked out');
      tx.put('token', new Uint8Array(1));
    });
    await expect(login).rejects.toThrow('locked out');
    expect(runs).toBe(2);
    expect(await transactor.run((tx) => lockout.isLockedIn(tx, mount({ type: 'jwt' }), 'ann'))).toBe(false);
  });

  it('keeps no more locks that have ended than one lock takes with it, whatever names are tried', async () => {
    const { lockout, time, store } = world();
    const stored = (): number => store.keys({ from: 'core/login-locks/', to: 'core/login-locks~' }).length;
    for (let user = 0; user < 40; user++) await fail(lockout, 5, `nobody ${String(user)}`);
    expect(stored()).toBe(40);
    time.nowMs += MINUTES_15_MS;
    for (let user = 0; user < 12; user++) await fail(lockout, 5, `else ${String(user)}`);
    expect(stored()).toBe(12);
    expect(await lockout.isLocked(mount(), 'else 0')).toBe(true);
  });

  it('keeps locks over a restart', async () => {
    const { lockout, restarted } = world();
    await fail(lockout, 5);
    expect(await restarted().isLocked(mount(), 'ann')).toBe(true);
  });

  it('does as the mount is tuned', async () => {
    const { lockout, time } = world();
    const tuned = (userLockout: object): MountEntry =>
      mount({ tuning: { userLockout } as unknown as MountEntry['tuning'] });
    const strict = tuned({ disabled: false, threshold: 2, durationSeconds: 10, counterResetSeconds: 5 });
    await fail(lockout, 1, 'ann', strict);
    time.nowMs += 5000;
    await fail(lockout, 1, 'ann', strict);
    expect(await lockout.isLocked(strict, 'ann')).toBe(false);
    await fail(lockout, 1, 'ann', strict);
    expect(await lockout.isLocked(strict, 'ann')).toBe(true);
    expect(await lockout.isLocked(tuned({ disabled: true }), 'ann')).toBe(false);
    time.nowMs += 10_000;
    expect(await lockout.isLocked(strict, 'ann')).toBe(false);
  });

  it('locks nobody out of methods without passwords', async () => {
    const { lockout } = world();
    await fail(lockout, 10, 'ann', mount({ type: 'jwt' }));
    expect(await lockout.isLocked(mount({ type: 'jwt' }), 'ann')).toBe(false);
  });
});
