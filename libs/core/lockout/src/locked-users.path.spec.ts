import type { MountEntry } from '@coffer/core-api';
import { ManualClock, TestStore, askPaths } from '@coffer/testing';
import { LockoutService } from './lockout-service.ts';
import { lockedUserPaths } from './locked-users.path.ts';

const mount = (accessor: string): MountEntry => ({ accessor, type: 'userpass', tuning: {} }) as unknown as MountEntry;

async function world() {
  const store = new TestStore();
  const transactor = store.transactor();
  const lockout = new LockoutService({ backend: store, transactor, clock: new ManualClock() });
  const lock = async (accessor: string, user: string): Promise<void> => {
    for (let attempt = 0; attempt < 5; attempt++) await lockout.failed(mount(accessor), user);
  };
  await lock('auth_userpass_1', 'bob');
  await lock('auth_userpass_1', 'ann');
  await lock('auth_userpass_2', 'eve');
  return {
    lockout,
    ...askPaths(
      lockedUserPaths(() => lockout),
      transactor,
    ),
  };
}

const under = (mounts: readonly unknown[], total: number): unknown => ({
  by_namespace: [{ namespace_id: 'root', namespace_path: '', counts: total, mount_accessors: mounts }],
  total,
});

describe('sys/locked-users', () => {
  it('counts them by mount', async () => {
    const { ask } = await world();
    const answer = (await ask('read', 'locked-users'))?.data;
    expect(answer).toEqual(
      under(
        [
          { mount_accessor: 'auth_userpass_1', counts: 2, alias_identifiers: ['ann', 'bob'] },
          { mount_accessor: 'auth_userpass_2', counts: 1, alias_identifiers: ['eve'] },
        ],
        3,
      ),
    );
  });

  it('tells of one mount, also where nobody is locked out', async () => {
    const { ask } = await world();
    expect((await ask('read', 'locked-users', { mount_accessor: 'auth_userpass_2' }))?.data).toEqual(
      under([{ mount_accessor: 'auth_userpass_2', counts: 1, alias_identifiers: ['eve'] }], 1),
    );
    expect((await ask('read', 'locked-users', { mount_accessor: 'none' }))?.data).toEqual(
      under([{ mount_accessor: 'none', counts: 0, alias_identifiers: null }], 0),
    );
  });

  it('unlocks one user, in any spelling, and nobody else', async () => {
    const { ask, lockout } = await world();
    expect(await ask('update', 'locked-users/auth_userpass_1/unlock/ANN')).toBeUndefined();
    expect(await lockout.isLocked(mount('auth_userpass_1'), 'ann')).toBe(false);
    expect(await lockout.isLocked(mount('auth_userpass_1'), 'bob')).toBe(true);
    // Who is not locked out needs no unlocking.
    expect(await ask('update', 'locked-users/none/unlock/nobody')).toBeUndefined();
    expect((await ask('read', 'locked-users'))?.data).toMatchObject({ total: 2 });
  });

  it('knows no other operations', async () => {
    const { ask } = await world();
    await expect(ask('delete', 'locked-users')).rejects.toMatchObject({ code: 'unsupported-operation' });
    await expect(ask('update', 'locked-users/auth_userpass_1/unlock')).rejects.toMatchObject({
      code: 'unsupported-path',
    });
  });
});
