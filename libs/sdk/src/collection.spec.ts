import { collection, singleton } from './collection.ts';
import type { StorageView } from './storage-view.ts';

function memory() {
  const stored = new Map<string, unknown>();
  const listed: string[] = [];
  const view = {
    get: (key: string) => (stored.has(key) ? new Uint8Array() : undefined),
    getJson: (key: string) => stored.get(key),
    putJson: (key: string, value: unknown) => void stored.set(key, value),
    delete: (key: string) => void stored.delete(key),
    list: (prefix: string) => {
      listed.push(prefix);
      return [];
    },
  } as unknown as StorageView;
  return { stored, listed, view };
}

describe('collection', () => {
  it('keeps its records below its prefix, and knows their names from their keys', () => {
    const { stored, listed, view } = memory();
    const roles = collection<number>('role/');
    roles.put(view, 'a/b', 5);
    expect([...stored]).toEqual([['role/a/b', 5]]);
    expect([roles.get(view, 'a/b'), roles.get(view, 'a')]).toEqual([5, undefined]);
    expect([roles.has(view, 'a/b'), roles.has(view, 'a')]).toEqual([true, false]);
    expect([roles.nameOf('role/a/b'), roles.nameOf('roles/a'), roles.nameOf('config')]).toEqual([
      'a/b',
      undefined,
      undefined,
    ]);
    void roles.list(view);
    void roles.list(view, 'a/');
    expect(listed).toEqual(['role/', 'role/a/']);
    roles.delete(view, 'a/b');
    expect(stored.size).toBe(0);
  });
});

describe('singleton', () => {
  it('is one record', () => {
    const { stored, view } = memory();
    const config = singleton<number>('config');
    expect(config.get(view)).toBeUndefined();
    config.put(view, 1);
    expect([config.get(view), [...stored.keys()]]).toEqual([1, ['config']]);
    config.delete(view);
    expect(stored.size).toBe(0);
  });
});
