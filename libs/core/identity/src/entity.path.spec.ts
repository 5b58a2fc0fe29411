import { systemRandom } from '@coffer/kernel';
import { ROOT_NAMESPACE } from '@coffer/sdk';
import type { PathDeclaration } from '@coffer/sdk';
import type { LiveMount, Router } from '@coffer/core-api';
import { ManualClock, TestStore, askPaths, outcomeOf } from '@coffer/testing';
import { createIdentityEngine } from './identity-engine.ts';
import { IdentityService } from './identity-service.ts';

const NOW = '2023-11-14T22:13:20.000Z';

function world() {
  const store = new TestStore();
  const transactor = store.transactor();
  const mounts = ['userpass_1', 'approle_1'];
  const router = {
    byAccessor: (accessor: string) =>
      mounts.includes(accessor)
        ? ({
            prefix: `auth/${accessor}/`,
            entry: { type: accessor.replace(/_1$/, ''), local: false, namespace: ROOT_NAMESPACE },
          } as unknown as LiveMount)
        : undefined,
  } as unknown as Router;
  const service = new IdentityService({
    backend: store,
    router: () => router,
    clock: new ManualClock(),
    random: systemRandom,
  });
  const { paths } = createIdentityEngine({ service: () => service, router: () => router });
  const { ask } = askPaths(paths as readonly PathDeclaration<unknown>[], transactor);
  const tell = (...args: Parameters<typeof ask>): Promise<unknown> => outcomeOf(ask(...args));
  const make = async (name: string): Promise<string> => String((await ask('update', 'entity', { name }))?.data?.id);
  const alias = async (sent: Record<string, unknown>) =>
    (await ask('update', 'entity-alias', { name: 'ann', mount_accessor: 'userpass_1', ...sent }))?.data as {
      readonly id: string;
      readonly canonical_id: string;
    };
  return { ask, tell, make, alias };
}

describe('identity/entity', () => {
  it('makes an entity, and shows it by id and by any spelling of its name', async () => {
    const { tell, make, ask } = world();
    const id = await make('Ann');
    const shown = {
      aliases: [],
      creation_time: NOW,
      direct_group_ids: [],
      disabled: false,
      group_ids: [],
      id,
      inherited_group_ids: [],
      last_update_time: NOW,
      merged_entity_ids: null,
      metadata: null,
      name: 'Ann',
      namespace_id: 'root',
      policies: [],
    };
    expect(await tell('read', `entity/id/${id}`)).toEqual(shown);
    expect(await tell('read', 'entity/name/aNN')).toEqual(shown);
    expect(await ask('read', 'entity/id/none')).toBeUndefined();
    expect(await ask('read', 'entity/name/none')).toBeUndefined();
  });

  it('changes what is sent, by id or name, and keeps the rest', async () => {
    const { tell, make } = world();
    const id = await make('ann');
    expect(await tell('update', 'entity', { name: 'ann', policies: 'B, a,', metadata: 'k=v' })).toBeUndefined();
    expect(await tell('update', `entity/id/${id}`, { disabled: true })).toBeUndefined();
    expect(await tell('update', 'entity/name/ANN', { name: 'other', metadata: { k: 'w' } })).toBeUndefined();
    expect(await tell('read', `entity/id/${id}`)).toMatchObject({
      name: 'ann',
      policies: ['a', 'b'],
      metadata: { k: 'w' },
      disabled: true,
    });
    expect(await tell('update', 'entity', { id, name: 'renamed' })).toBeUndefined();
    expect(await tell('read', 'entity/name/renamed')).toMatchObject({ id });
    expect(await tell('read', 'entity/name/ann')).toBeUndefined();
  });

  it.each<[string, Record<string, unknown>, string]>([
    ['entity', { id: 'none' }, 'entity not found from id'],
    ['entity/id/none', { name: 'x' }, 'entity not found from id'],
    ['entity', { name: 'x', policies: ['root'] }, 'policies cannot contain root'],
    ['entity', { name: 'x', policies: [' ROOT'] }, 'policies cannot contain root'],
    ['entity', { name: 'x'.repeat(10_000) }, 'too long'],
    ['entity', { name: 'x', metadata: 7 }, 'metadata'],
    ['entity/batch-delete', {}, 'missing entity ids to delete'],
    ['lookup/entity', {}, 'query parameter not supplied'],
    ['lookup/entity', { alias_name: 'ann' }, "both 'alias_name' and 'alias_mount_accessor'"],
  ])('refuses %s %j', async (path, sent, text) => {
    const { tell } = world();
    expect(await tell('update', path, sent)).toEqual([400, expect.stringContaining(text)]);
    expect(await tell('list', 'entity/id')).toBeUndefined();
  });

  it('lists by id and by name', async () => {
    const { tell, make, alias } = world();
    const [b, a] = [await make('b'), await make('a')];
    const { id } = await alias({ canonical_id: a });
    expect(await tell('list', 'entity/name')).toEqual({ keys: ['a', 'b'] });
    const listed = (await tell('list', 'entity/id')) as {
      readonly keys: readonly string[];
      readonly key_info: unknown;
    };
    expect(listed.keys).toEqual([a, b].sort());
    expect(listed.key_info).toMatchObject({
      [a]: { name: 'a', aliases: [{ id, name: 'ann', mount_accessor: 'userpass_1', mount_type: 'userpass' }] },
      [b]: { name: 'b', aliases: [] },
    });
  });

  it('finds by id, name and alias', async () => {
    const { tell, make, alias } = world();
    const id = await make('ann');
    const made = await alias({ canonical_id: id });
    for (const sent of [
      { id },
      { name: 'ANN' },
      { alias_id: made.id },
      { alias_name: 'Ann', alias_mount_accessor: 'userpass_1' },
    ])
      expect(await tell('update', 'lookup/entity', sent)).toMatchObject({ id });
    expect(await tell('update', 'lookup/entity', { alias_id: 'none' })).toBeUndefined();
  });

  it('removes one or many, with their aliases', async () => {
    const { tell, make, alias } = world();
    const ids = [await make('a'), await make('b'), await make('c'), await make('d')];
    await alias({ canonical_id: ids[0] });
    await tell('delete', `entity/id/${String(ids[0])}`);
    await tell('delete', 'entity/name/B');
    await tell('delete', 'entity/id/none');
    expect(await tell('list', 'entity-alias/id')).toBeUndefined();
    await tell('update', 'entity/batch-delete', { entity_ids: [ids[2], 'none', ids[3]] });
    expect(await tell('list', 'entity/id')).toBeUndefined();
  });
});

describe('identity/entity-alias', () => {
  it('makes an alias of a new entity or of one that is there', async () => {
    const { tell, make, alias } = world();
    const own = await alias({});
    expect(await tell('read', `entity-alias/id/${own.id}`)).toEqual({
      canonical_id: own.canonical_id,
      creation_time: NOW,
      custom_metadata: null,
      id: own.id,
      last_update_time: NOW,
      local: false,
      merged_from_canonical_ids: null,
      metadata: null,
      mount_accessor: 'userpass_1',
      mount_path: 'auth/userpass_1/',
      mount_type: 'userpass',
      name: 'ann',
      namespace_id: 'root',
    });
    const id = await make('bob');
    expect(await alias({ name: 'bob', canonical_id: id, custom_metadata: 'k=v' })).toMatchObject({ canonical_id: id });
    expect(await tell('read', `entity/id/${id}`)).toMatchObject({
      aliases: [{ name: 'bob', custom_metadata: { k: 'v' } }],
    });
    const listed = (await tell('list', 'entity-alias/id')) as { readonly keys: readonly string[] };
    expect(listed.keys).toHaveLength(2);
    expect(listed.keys).toContain(own.id);
  });

  it('is the same under any spelling, and moves to another entity', async () => {
    const { tell, make, alias } = world();
    const first = await alias({});
    const id = await make('bob');
    expect(await alias({ name: 'ANN', canonical_id: id })).toEqual({ id: first.id, canonical_id: id });
    expect(await tell('read', `entity/id/${first.canonical_id}`)).toMatchObject({ aliases: [] });
    expect(await tell('update', `entity-alias/id/${first.id}`, { name: 'new' })).toMatchObject({ id: first.id });
    expect(
      await tell('update', 'lookup/entity', { alias_name: 'new', alias_mount_accessor: 'userpass_1' }),
    ).toMatchObject({ id });
    expect(
      await tell('update', 'lookup/entity', { alias_name: 'ann', alias_mount_accessor: 'userpass_1' }),
    ).toBeUndefined();
    await tell('delete', `entity-alias/id/${first.id}`);
    await tell('delete', `entity-alias/id/${first.id}`);
    expect(await tell('read', `entity-alias/id/${first.id}`)).toBeUndefined();
    expect(await tell('read', `entity/id/${id}`)).toMatchObject({ aliases: [] });
  });

  it('takes no name of another alias, and no second alias of a mount', async () => {
    const { tell, alias } = world();
    const ann = await alias({});
    const bob = await alias({ name: 'bob' });
    expect(await tell('update', `entity-alias/id/${bob.id}`, { name: 'Ann' })).toEqual([
      400,
      'an alias of that name exists for the mount',
    ]);
    const second = [400, 'Alias already exists for requested entity and mount accessor'];
    const canonical = { canonical_id: ann.canonical_id };
    expect(await tell('update', `entity-alias/id/${bob.id}`, canonical)).toEqual(second);
    const third = { name: 'cid', mount_accessor: 'userpass_1', ...canonical };
    expect(await tell('update', 'entity-alias', third)).toEqual(second);
    expect(await alias({ name: 'robot', mount_accessor: 'approle_1', ...canonical })).toMatchObject(canonical);
  });

  it.each<[Record<string, unknown>, string]>([
    [{}, "'id' or 'mount_accessor' and 'name' must be provided"],
    [{ name: 'ann' }, "'id' or 'mount_accessor' and 'name' must be provided"],
    [{ id: 'none' }, 'invalid alias ID'],
    [{ name: 'ann', mount_accessor: 'none' }, 'invalid mount accessor "none"'],
    [{ name: 'ann', mount_accessor: 'userpass_1', canonical_id: 'none' }, 'invalid canonical ID'],
    [{ name: 'x'.repeat(10_000), mount_accessor: 'userpass_1' }, 'too long'],
  ])('refuses %j', async (sent, text) => {
    const { tell } = world();
    expect(await tell('update', 'entity-alias', sent)).toEqual([400, expect.stringContaining(text)]);
    expect(await tell('list', 'entity-alias/id')).toBeUndefined();
  });
});
