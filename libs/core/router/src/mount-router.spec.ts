import { ROOT_NAMESPACE, definePath, field } from '@coffer/sdk';
import type { EngineType } from '@coffer/sdk';
import type { LiveMount } from '@coffer/core-api';
import { MountRouter } from './mount-router.ts';

const type: EngineType = {
  help: { synopsis: 'x', description: 'x' },
  paths: [
    definePath('data/:name+', {
      fields: { name: field.name('Name.') },
      help: { synopsis: 'x' },
      read: { summary: 'x', handler: () => undefined },
    }),
  ],
  create: () => undefined,
};

const mount = (prefix: string, accessor: string, namespace = ROOT_NAMESPACE): LiveMount =>
  ({ entry: { accessor, uuid: accessor, namespace, path: prefix }, type, prefix, engine: {} }) as unknown as LiveMount;

function routerWith(...prefixes: string[]): MountRouter {
  const router = new MountRouter();
  for (const prefix of prefixes) router.add(mount(prefix, `a-${prefix}`));
  return router;
}

const found = (router: MountRouter, path: string): string | undefined => router.mount(ROOT_NAMESPACE, path)?.prefix;

describe('MountRouter', () => {
  it('finds mounts at whole segments only', () => {
    const router = routerWith('kv/', 'team/a/kv/', 'auth/userpass/');
    expect(
      ['kv/x', 'kv/', 'kv', 'team/a/kv/b/c', 'auth/userpass/login/ann'].map((path) => found(router, path)),
    ).toEqual(['kv/', 'kv/', 'kv/', 'team/a/kv/', 'auth/userpass/']);
    for (const path of ['kvx', 'k', '', '/', '/kv/x', 'team/a', 'team/a/', 'KV/x', 'constructor/x', '__proto__'])
      expect([path, found(router, path)]).toEqual([path, undefined]);
  });

  it('tells path, captures and what lies below', () => {
    const router = routerWith('kv/');
    expect(router.route(ROOT_NAMESPACE, 'kv/data/a/b')).toMatchObject({
      relativePath: 'data/a/b',
      captures: { name: 'a/b' },
      path: type.paths[0],
    });
    expect(router.route(ROOT_NAMESPACE, 'kv/other')).toMatchObject({ relativePath: 'other', captures: {} });
    expect(router.route(ROOT_NAMESPACE, 'kv/other')?.path).toBeUndefined();
    expect(router.route(ROOT_NAMESPACE, 'none/x')).toBeUndefined();
  });

  it('keeps namespaces apart, even one called like a mount', () => {
    const router = routerWith('kv/');
    const team = { id: 'kv', path: 'kv/' };
    expect(router.mount(team, 'kv/x')).toBeUndefined();
    router.add(mount('kv/', 'other', team));
    expect(router.mount(team, 'kv/x')?.entry.accessor).toBe('other');
    expect(router.mount(ROOT_NAMESPACE, 'kv/x')?.entry.accessor).toBe('a-kv/');
    expect(router.all()).toHaveLength(2);
  });

  it('forgets what is removed, and nothing that took its place', () => {
    const router = routerWith('kv/');
    const before = mount('kv/', 'a-kv/');
    const after = mount('kv/', 'newer');
    router.add(after);
    router.remove(before);
    expect(router.mount(ROOT_NAMESPACE, 'kv/x')?.entry.accessor).toBe('newer');
    expect(router.byAccessor('a-kv/')).toBeUndefined();
    router.remove(after);
    expect(router.mount(ROOT_NAMESPACE, 'kv/x')).toBeUndefined();
    expect(router.byAccessor('newer')).toBeUndefined();
  });
});
