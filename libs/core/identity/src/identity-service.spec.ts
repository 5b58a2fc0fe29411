import { systemRandom } from '@coffer/kernel';
import { ROOT_NAMESPACE } from '@coffer/sdk';
import type { Router } from '@coffer/core-api';
import { ManualClock, TestStore } from '@coffer/testing';
import { deleteEntity, entityById, putEntity } from './entities.ts';
import { IdentityService } from './identity-service.ts';

function world() {
  const store = new TestStore();
  const router = {
    byAccessor: (accessor: string) => ({ prefix: `auth/${accessor}/`, entry: { local: false } }),
  } as unknown as Router;
  const service = new IdentityService({
    backend: store,
    router: () => router,
    clock: new ManualClock(),
    random: systemRandom,
  });
  const transactor = store.transactor();
  const logIn = (name: string, accessor = 'userpass_1') =>
    transactor.run((tx) => service.entityForLogin(tx, accessor, 'userpass', { name }, ROOT_NAMESPACE));
  return { store, service, transactor, logIn };
}

describe('entities of logins', () => {
  it('are made at the first login and found at the next', async () => {
    const { service, logIn } = world();
    const id = await logIn('ann');
    expect(await logIn('ann')).toBe(id);
    const entity = await service.entity(id);
    expect(entity?.aliases).toEqual([{ mountAccessor: 'userpass_1', name: 'ann', metadata: {} }]);
  });

  it.each(['ANN', 'Ann', 'anN'])('are the same for %s', async (name) => {
    const { logIn } = world();
    expect(await logIn(name)).toBe(await logIn('ann'));
  });

  it('are the same however letters are composed', async () => {
    const { logIn } = world();
    expect(await logIn('Zo\u00eb')).toBe(await logIn('zoe\u0308'));
  });

  it.each(['ann ', 'ann\u0000', 'bob', 'ann/x'])('are not the same for %j', async (name) => {
    const { logIn } = world();
    expect(await logIn(name)).not.toBe(await logIn('ann'));
  });

  it('differ from mount to mount', async () => {
    const { logIn } = world();
    expect(await logIn('ann', 'other_1')).not.toBe(await logIn('ann'));
  });

  it('are one for logins at the same time', async () => {
    const { logIn } = world();
    const ids = await Promise.all(Array.from({ length: 10 }, () => logIn('ann')));
    expect(new Set(ids).size).toBe(1);
  });

  it('bar their tokens while disabled, and when they are gone', async () => {
    const { service, transactor, logIn } = world();
    const id = await logIn('ann');
    expect(await service.isBarred(id)).toBe(false);
    const change = (disabled: boolean) =>
      transactor.run(async (tx) => {
        const entity = await entityById(tx, id);
        if (entity) await putEntity(tx, { ...entity, disabled }, entity);
      });
    await change(true);
    expect(await service.isBarred(id)).toBe(true);
    await change(false);
    expect(await service.isBarred(id)).toBe(false);
    await transactor.run(async (tx) => {
      const entity = await entityById(tx, id);
      if (entity) deleteEntity(tx, entity);
    });
    expect(await service.isBarred(id)).toBe(true);
  });

  it('refuse a login while disabled, and give no policies', async () => {
    const { logIn, service, transactor } = world();
    const id = await logIn('ann');
    await transactor.run(async (tx) => {
      const entity = await entityById(tx, id);
      if (entity) await putEntity(tx, { ...entity, disabled: true, policies: ['p'] }, entity);
    });
    await expect(logIn('ann')).rejects.toThrow('permission denied');
    expect(await service.policiesOf(id, ROOT_NAMESPACE)).toEqual([]);
  });

  it('refuse names that are none', async () => {
    const { logIn } = world();
    await expect(logIn('')).rejects.toThrow('no usable name');
    await expect(logIn('x'.repeat(5000))).rejects.toThrow('no usable name');
  });

  it('change their version with every change', async () => {
    const { logIn, service, transactor } = world();
    const id = await logIn('ann');
    const before = await service.versionOf(id);
    await transactor.run(async (tx) => {
      const entity = await entityById(tx, id);
      if (entity) await putEntity(tx, { ...entity, policies: ['p'] }, entity);
    });
    expect(await service.versionOf(id)).not.toBe(before);
    expect(await service.policiesOf(id, ROOT_NAMESPACE)).toEqual(['p']);
    expect(await service.policiesOf(id, { id: 'other', path: 'other/' })).toEqual([]);
  });

  it('leave nothing behind when they go', async () => {
    const { logIn, store, transactor } = world();
    const id = await logIn('ann');
    await transactor.run(async (tx) => {
      const entity = await entityById(tx, id);
      if (entity) deleteEntity(tx, entity);
    });
    expect(store.keys({ from: '', to: '~' })).toEqual([]);
  });

  it('cannot take the name of another', async () => {
    const { service, transactor } = world();
    const make = (name: string) =>
      transactor.run((tx) => putEntity(tx, { ...service.newEntity(ROOT_NAMESPACE), name }));
    await make('ann');
    await expect(make('ANN')).rejects.toThrow('entity name is already in use');
  });
});
