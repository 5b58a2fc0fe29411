import { ROOT_NAMESPACE } from '@coffer/sdk';
import type { Acl, PolicyStore, TokenEntry, TokenStore } from '@coffer/core-api';
import { TestStore, askPaths, outcomeOf } from '@coffer/testing';
import type { PathAsker } from '@coffer/testing';
import { CompiledAcl } from './compiled-acl.ts';
import { capabilityPaths } from './capabilities.path.ts';
import { parsePolicy } from './parse-policy.ts';

const clock = { nowMs: () => 0 };

const aclOf = (text: string): Acl =>
  new CompiledAcl(
    [{ name: 'p', namespaceId: 'root', namespacePath: '', rules: parsePolicy('p', text).rules }],
    clock as never,
  );

/** Two tokens: `reader` reads below `secret/`, the other may do nothing. */
function world(): PathAsker {
  const entries = new Map([
    ['reader', { accessor: 'reader-accessor', namespace: ROOT_NAMESPACE } as unknown as TokenEntry],
    ['nobody', { accessor: 'nobody-accessor', namespace: ROOT_NAMESPACE } as unknown as TokenEntry],
  ]);
  const tokens = {
    lookup: (token: { reveal(): string }) => entries.get(token.reveal()),
    byAccessor: (accessor: string) => [...entries.values()].find((entry) => entry.accessor === accessor),
  } as unknown as TokenStore;
  const policies = {
    aclFor: ({ accessor }: TokenEntry) =>
      aclOf(accessor === 'reader-accessor' ? 'path "secret/*" { capabilities = ["read", "list"] }' : ''),
  } as unknown as PolicyStore;
  return askPaths(capabilityPaths({ tokens: () => tokens, policies: () => policies }), new TestStore().transactor());
}

describe('sys/capabilities', () => {
  it.each([
    ['capabilities', { token: 'reader' }],
    ['capabilities-accessor', { accessor: 'reader-accessor' }],
  ])('%s tells each path, and one alone by its older name, too', async (path, who) => {
    const { ask } = world();
    expect(await ask('update', path, { ...who, paths: 'secret/a,other' })).toEqual({
      alsoAtTopLevel: true,
      data: { 'secret/a': ['list', 'read'], other: ['deny'] },
    });
    expect(await ask('update', path, { ...who, path: ['secret/a'] })).toEqual({
      alsoAtTopLevel: true,
      data: { 'secret/a': ['list', 'read'], capabilities: ['list', 'read'] },
    });
  });

  it('judges a thousand paths at a time, and no more: any token may ask', async () => {
    const { ask } = world();
    const paths = (count: number): readonly string[] => Array.from({ length: count }, (_, at) => `a${String(at)}`);
    const told = await ask('update', 'capabilities', { token: 'reader', paths: paths(1000) });
    expect(Object.keys(told?.data ?? {})).toHaveLength(1000);
    for (const path of ['capabilities', 'capabilities-accessor'])
      await expect(
        ask('update', path, { token: 'reader', accessor: 'reader-accessor', paths: paths(1001) }),
      ).rejects.toMatchObject({ status: 400, message: expect.stringContaining('at most 1000') });
  });

  it('judges the caller by the rules that it came with', async () => {
    const { ask } = world();
    const acl = aclOf('path "own" { capabilities = ["update"] }');
    const asked = ask('update', 'capabilities-self', { paths: ['own'], token: 'reader' }, { acl });
    expect((await asked)?.data).toEqual({ own: ['update'], capabilities: ['update'] });
    expect(await outcomeOf(ask('update', 'capabilities-self', { paths: ['own'] }))).toEqual([403, 'permission denied']);
  });

  it.each<[string, Record<string, unknown>, string]>([
    ['capabilities', { token: 'reader' }, 'paths must be supplied'],
    ['capabilities', { token: 'reader', paths: [] }, 'paths must be supplied'],
    ['capabilities', { token: 'reader', paths: ['a', ''] }, 'missing path'],
    ['capabilities', { paths: ['a'] }, 'no token found'],
    ['capabilities', { paths: ['a'], token: 'unknown' }, 'invalid token'],
    ['capabilities-accessor', { paths: ['a'] }, 'missing accessor'],
    ['capabilities-accessor', { paths: ['a'], accessor: 'unknown' }, 'invalid accessor'],
    ['capabilities-accessor', { accessor: 'reader-accessor' }, 'paths must be supplied'],
    ['capabilities-accessor', { paths: { a: 1 }, accessor: 'reader-accessor' }, 'paths'],
  ])('%s refuses %j', async (path, sent, text) => {
    expect(await outcomeOf(world().ask('update', path, sent))).toEqual([400, expect.stringContaining(text)]);
  });

  it('keeps paths named like members of every object', async () => {
    const { ask } = world();
    const answer = await ask('update', 'capabilities', { token: 'reader', paths: ['__proto__', 'constructor'] });
    expect(Object.entries(answer?.data ?? {})).toEqual([
      ['__proto__', ['deny']],
      ['constructor', ['deny']],
    ]);
  });
});
