import type { EntityView } from '@coffer/sdk';
import { ROOT_NAMESPACE } from '@coffer/sdk';
import type { TokenEntry } from '@coffer/core-api';
import { InmemBackend, OptimisticTransactor } from '@coffer/storage';
import type { ParsingBackend } from '@coffer/storage';
import { PolicyService } from './policy-service.ts';
import type { PolicyWrite } from './policy-service.ts';

/** Keeps what it parsed as long as the bytes are the same, like the barrier's cache. */
class Store extends InmemBackend implements ParsingBackend {
  readonly #parsed = new Map<string, { readonly bytes: string; readonly value: unknown }>();

  getParsed<T>(key: string, parse: (bytes: Uint8Array) => T): T | undefined {
    const bytes = this.get(key);
    if (bytes === undefined) return undefined;
    const text = Buffer.from(bytes).toString('latin1');
    const known = this.#parsed.get(key);
    if (known?.bytes === text) return known.value as T;
    const value = parse(bytes);
    this.#parsed.set(key, { bytes: text, value });
    return value;
  }
}

function world() {
  const time = { nowMs: 1_700_000_000_000 };
  const clock = {
    nowMs: () => time.nowMs,
    monotonicMs: () => time.nowMs,
    after: () => () => undefined,
    every: () => () => undefined,
  };
  const entities = new Map<string, EntityView>();
  const identityPolicies = new Map<string, readonly string[]>();
  const barred = new Set<string>();
  const versions = new Map<string, string>();
  const store = new Store();
  const transactor = new OptimisticTransactor(store, { state: () => ({ role: 'active', epoch: 1, sinceMs: 0 }) });
  const make = (): PolicyService =>
    new PolicyService({
      backend: store,
      transactor,
      identity: {
        entity: (id) => entities.get(id),
        isBarred: (id) => barred.has(id),
        policiesOf: (id) => identityPolicies.get(id) ?? [],
        versionOf: (id) => versions.get(id) ?? '1',
      },
      clock,
    });
  const policies = make();
  const write = async (name: string, text: string, more: Omit<PolicyWrite, 'text'> = {}) =>
    transactor.run((tx) => policies.write(tx, ROOT_NAMESPACE, name, { text, ...more }));
  const remove = async (name: string) => transactor.run((tx) => policies.delete(tx, ROOT_NAMESPACE, name));
  return {
    time,
    entities,
    barred,
    identityPolicies,
    versions,
    policies,
    replica: make(),
    write,
    remove,
    transactor,
    store,
  };
}

const entry = (more: Partial<TokenEntry> = {}): TokenEntry =>
  ({
    policies: ['p'],
    entityId: '',
    noIdentityPolicies: false,
    namespace: ROOT_NAMESPACE,
    ...more,
  }) as unknown as TokenEntry;

const grant = (path: string, word = 'read'): string => `path "${path}" { capabilities = ["${word}"] }`;

const can = async (policies: PolicyService, token: TokenEntry, path: string): Promise<readonly string[]> =>
  (await policies.aclFor(token)).capabilities(ROOT_NAMESPACE, path);

describe('PolicyService', () => {
  it('grants nothing to tokens whose entity is disabled or gone, root and wrapping ones among them', async () => {
    const { write, policies, barred } = world();
    await write('p', grant('a'));
    const tokens = [
      entry({ entityId: 'e1' }),
      entry({ entityId: 'e1', noIdentityPolicies: true }),
      entry({ entityId: 'e1', policies: ['root'] }),
    ];
    const all = async (): Promise<readonly string[]> =>
      (await Promise.all(tokens.map((token) => can(policies, token, 'a')))).map((words) => words.join());
    expect(await all()).toEqual(['read', 'read', 'root']);
    barred.add('e1');
    expect(await all()).toEqual(['deny', 'deny', 'deny']);
    const acl = await policies.aclFor(tokens[0] as TokenEntry);
    expect(acl.decide(ROOT_NAMESPACE, 'a', 'read', {}, undefined)).toMatchObject({ allowed: false, sudo: false });
    expect(await can(policies, entry({ entityId: 'e2' }), 'a')).toEqual(['read']);
    barred.clear();
    expect(await all()).toEqual(['read', 'read', 'root']);
  });

  it('checks and sets', async () => {
    const { write, policies } = world();
    await expect(write('p', grant('a'), { cas: 3 })).rejects.toThrow('did not match the current version');
    expect(await write('p', grant('a'), { cas: -1, casRequired: true })).toMatchObject({ version: 1 });
    await expect(write('p', grant('b'))).rejects.toThrow('check-and-set parameter required');
    await expect(write('p', grant('b'), { cas: -1 })).rejects.toThrow('did not match');
    await expect(write('p', grant('b'), { cas: 0 })).rejects.toThrow('did not match');
    expect(await write('p', grant('b'), { cas: 1 })).toMatchObject({ version: 2 });
    expect((await policies.get(ROOT_NAMESPACE, 'P'))?.text).toBe(grant('b'));
  });

  it('refuses names of its own in any spelling, and texts that do not parse', async () => {
    const { write, remove, policies } = world();
    for (const name of ['root', 'ROOT', 'Response-Wrapping', 'control-group']) {
      await expect(write(name, grant('a'))).rejects.toThrow('cannot update');
      await expect(remove(name)).rejects.toThrow('cannot delete');
    }
    await expect(remove('Default')).rejects.toThrow('cannot delete default policy');
    await expect(write('p', 'path')).rejects.toThrow('failed to parse policy');
    expect(await policies.list(ROOT_NAMESPACE)).toEqual(['default', 'root']);
  });

  it('lists and deletes, whatever names hold', async () => {
    const { write, remove, policies } = world();
    for (const name of ['a/b', '../x', 'ä%', 'b']) await write(name, grant('a'));
    expect(await policies.list(ROOT_NAMESPACE)).toEqual(['b', 'default', 'ä%', '../x', 'a/b', 'root']);
    await remove('a/b');
    expect(await policies.get(ROOT_NAMESPACE, 'a/b')).toBeUndefined();
    expect(await policies.get(ROOT_NAMESPACE, 'b')).toBeDefined();
  });

  it('forgets on every node what was compiled before a change', async () => {
    const { write, remove, policies, replica } = world();
    await write('p', grant('a'));
    const token = entry();
    for (const node of [policies, replica]) expect(await can(node, token, 'a')).toEqual(['read']);
    await write('p', grant('a', 'deny'));
    for (const node of [policies, replica]) expect(await can(node, token, 'a')).toEqual(['deny']);
    await remove('p');
    await write('p', grant('a', 'list'));
    for (const node of [policies, replica]) expect(await can(node, token, 'a')).toEqual(['list']);
  });

  it('does not take a policy deleted and made anew in the same millisecond for the old one', async () => {
    const { write, remove, policies } = world();
    await write('p', grant('a', 'sudo'));
    expect((await policies.aclOf(ROOT_NAMESPACE, ['p'])).capabilities(ROOT_NAMESPACE, 'a')).toEqual(['sudo']);
    await remove('p');
    await write('p', grant('a', 'read'));
    expect((await policies.aclOf(ROOT_NAMESPACE, ['p'])).capabilities(ROOT_NAMESPACE, 'a')).toEqual(['read']);
  });

  it('ends a policy in time for tokens that used it before', async () => {
    const { write, policies, time } = world();
    await expect(write('p', grant('a'), { expiresMs: time.nowMs })).rejects.toThrow('already elapsed');
    await write('p', grant('a'), { expiresMs: time.nowMs + 1000 });
    await write('q', grant('a', 'list'));
    const token = entry({ policies: ['p', 'q'] });
    expect(await can(policies, token, 'a')).toEqual(['list', 'read']);
    time.nowMs += 1000;
    expect(await can(policies, token, 'a')).toEqual(['list']);
    expect(await policies.get(ROOT_NAMESPACE, 'p')).toBeUndefined();
    expect(await policies.list(ROOT_NAMESPACE)).toEqual(['default', 'q', 'root']);
    expect(await write('p', grant('a'), { cas: -1 })).toMatchObject({ version: 1 });
  });

  it('tells sets of names apart that read the same when joined', async () => {
    const { write, policies } = world();
    await write('a,b', grant('joined'));
    await write('a', grant('one'));
    await write('b', grant('two'));
    for (const sets of [
      [['a,b'], ['a', 'b']],
      [['a', 'b'], ['a,b']],
    ]) {
      for (const set of sets) {
        const joined = set.length === 1;
        const acl = await policies.aclOf(ROOT_NAMESPACE, set);
        expect(acl.capabilities(ROOT_NAMESPACE, 'joined')).toEqual([joined ? 'read' : 'deny']);
        expect(acl.capabilities(ROOT_NAMESPACE, 'one')).toEqual([joined ? 'deny' : 'read']);
      }
    }
  });

  it('fills templates for each entity, and again when it changes', async () => {
    const { write, policies, entities, versions } = world();
    await write('p', grant('home/{{identity.entity.name}}'));
    const view = (id: string, name: string): EntityView => ({
      id,
      name,
      metadata: {},
      aliases: [],
      groups: [],
      policies: [],
    });
    entities.set('1', view('1', 'ann')).set('2', view('2', 'bob'));
    const [ann, bob] = [entry({ entityId: '1' }), entry({ entityId: '2' })];
    expect([await can(policies, ann, 'home/ann'), await can(policies, ann, 'home/bob')]).toEqual([['read'], ['deny']]);
    expect([await can(policies, bob, 'home/ann'), await can(policies, bob, 'home/bob')]).toEqual([['deny'], ['read']]);
    entities.set('1', view('1', '*'));
    versions.set('1', '2');
    expect([await can(policies, ann, 'home/ann'), await can(policies, ann, 'home/*')]).toEqual([['deny'], ['deny']]);
    expect(await can(policies, entry(), 'home/ann')).toEqual(['deny']);
  });

  it('adds the policies of the entity, unless the token says no', async () => {
    const { write, policies, identityPolicies } = world();
    await write('own', grant('a'));
    identityPolicies.set('1', ['own']);
    expect(await can(policies, entry({ policies: [], entityId: '1' }), 'a')).toEqual(['read']);
    expect(await can(policies, entry({ policies: [], entityId: '1', noIdentityPolicies: true }), 'a')).toEqual([
      'deny',
    ]);
    identityPolicies.set('1', []);
    expect(await can(policies, entry({ policies: [], entityId: '1' }), 'a')).toEqual(['deny']);
  });

  it('gives tokens of policies that are not there nothing, and root everything', async () => {
    const { policies } = world();
    expect(await can(policies, entry({ policies: ['gone'] }), 'a')).toEqual(['deny']);
    expect(await can(policies, entry({ policies: ['root'] }), 'a')).toEqual(['root']);
    expect(await can(policies, entry({ policies: ['response-wrapping'] }), 'cubbyhole/response')).toEqual([
      'create',
      'read',
    ]);
  });

  it('makes the default policy once, and leaves one that was changed', async () => {
    const { policies, write } = world();
    await policies.ensureBuiltIn();
    const token = entry({ policies: ['default'] });
    expect(await can(policies, token, 'auth/token/lookup-self')).toEqual(['read']);
    await write('default', grant('x'));
    await policies.ensureBuiltIn();
    expect(await can(policies, token, 'auth/token/lookup-self')).toEqual(['deny']);
  });
});
