import { ROOT_NAMESPACE } from '@coffer/sdk';
import { TestStore, askPaths, outcomeOf } from '@coffer/testing';
import { DEFAULT_POLICY } from './built-in-policies.ts';
import { policyPaths } from './policies.path.ts';
import { PolicyService } from './policy-service.ts';

const NOW_MS = 1_700_000_000_000;
const RULES = 'path "secret/*" { capabilities = ["read"] }';

async function world() {
  const store = new TestStore();
  const transactor = store.transactor();
  const time = { nowMs: NOW_MS };
  const policies = new PolicyService({
    backend: store,
    transactor,
    identity: { entity: () => undefined, isBarred: () => false, policiesOf: () => [], versionOf: () => '1' },
    clock: {
      nowMs: () => time.nowMs,
      monotonicMs: () => time.nowMs,
      after: () => () => undefined,
      every: () => () => undefined,
    },
  });
  await policies.ensureBuiltIn();
  const asker = askPaths(
    policyPaths(() => policies),
    transactor,
    () => time.nowMs,
  );
  const tell = (...args: Parameters<typeof asker.ask>): Promise<unknown> => outcomeOf(asker.ask(...args));
  return { ...asker, asker, tell, policies, time };
}

describe('sys/policies/acl', () => {
  it('writes, reads, lists and deletes', async () => {
    const { ask, tell } = await world();
    expect(await ask('update', 'policies/acl/team/app', { policy: RULES })).toBeUndefined();
    expect(await tell('read', 'policies/acl/team/app')).toEqual({
      allow_slashes_in_identity_templates: false,
      allow_wildcards_in_identity_templates: false,
      cas_required: false,
      modified: new Date(NOW_MS).toISOString(),
      name: 'team/app',
      policy: RULES,
      version: 1,
    });
    expect(await tell('list', 'policies/acl')).toEqual({ keys: ['default', 'team/app', 'root'] });
    expect(await ask('delete', 'policies/acl/team/app')).toBeUndefined();
    expect(await ask('delete', 'policies/acl/team/app')).toBeUndefined();
    expect(await ask('read', 'policies/acl/team/app')).toBeUndefined();
  });

  it('takes names in any case, and says what became of them', async () => {
    const { asker, tell } = await world();
    await asker.ask('update', 'policies/acl/APP', { policy: RULES });
    expect(asker.warnings).toEqual(['Policy name was converted to "app"']);
    expect(await tell('read', 'policies/acl/aPP')).toMatchObject({ name: 'app' });
    await asker.ask('delete', 'policies/acl/App');
    expect(await asker.ask('read', 'policies/acl/app')).toBeUndefined();
  });

  it('takes rules in base64 and in JSON, and keeps what it was given', async () => {
    const { ask, tell } = await world();
    await ask('update', 'policies/acl/packed', { policy: Buffer.from(RULES).toString('base64') });
    expect(await tell('read', 'policies/acl/packed')).toMatchObject({ policy: RULES });
    const json = '{"path":{"secret/*":{"capabilities":["read"]}}}';
    await ask('update', 'policies/acl/json', { policy: json });
    expect(await tell('read', 'policies/acl/json')).toMatchObject({ policy: json });
  });

  it.each<[string, Record<string, unknown>, string]>([
    ['p', {}, "'policy' parameter not supplied or empty"],
    ['p', { policy: '' }, "'policy' parameter not supplied or empty"],
    ['root', { policy: RULES }, 'cannot update "root" policy'],
    ['Root', { policy: RULES }, 'cannot update "root" policy'],
    ['response-wrapping', { policy: RULES }, 'cannot update "response-wrapping" policy'],
    ['p', { policy: 'path "a" { capabilities = ["fly"] }' }, 'fly'],
    ['p', { policy: 'path {' }, ''],
    ['p', { policy: RULES, cas: 3 }, 'check-and-set parameter did not match the current version'],
    ['p', { policy: RULES, cas: 'x' }, 'cas'],
    ['p', { policy: RULES, expiration: '2001-01-01T00:00:00Z' }, 'expiration time has already elapsed'],
  ])('refuses to write %j %j', async (name, sent, text) => {
    const { tell } = await world();
    expect(await tell('update', `policies/acl/${name}`, sent)).toEqual([400, expect.stringContaining(text)]);
    expect(await tell('list', 'policies/acl')).toEqual({ keys: ['default', 'root'] });
  });

  it.each([
    ['default', 'cannot delete default policy'],
    ['root', 'cannot delete "root" policy'],
    ['ROOT', 'cannot delete "root" policy'],
  ])('refuses to delete %s', async (name, text) => {
    const { tell } = await world();
    expect(await tell('delete', `policies/acl/${name}`)).toEqual([400, text]);
    expect(await tell('read', 'policies/acl/default')).toMatchObject({ policy: DEFAULT_POLICY });
    expect(await tell('read', 'policies/acl/root')).toMatchObject({ name: 'root', policy: '' });
  });

  it('guards by versions, where that is asked for', async () => {
    const { tell } = await world();
    expect(await tell('update', 'policies/acl/p', { policy: RULES, cas: -1, cas_required: true })).toBeUndefined();
    expect(await tell('update', 'policies/acl/p', { policy: RULES })).toEqual([
      400,
      'check-and-set parameter required for this call',
    ]);
    expect(await tell('update', 'policies/acl/p', { policy: RULES, cas: 1, cas_required: true })).toBeUndefined();
    expect(await tell('read', 'policies/acl/p')).toMatchObject({ version: 2, cas_required: true });
  });

  it('ends policies that have a TTL', async () => {
    const { ask, tell, time } = await world();
    await ask('update', 'policies/acl/short', { policy: RULES, ttl: '1h' });
    expect(await tell('read', 'policies/acl/short')).toMatchObject({
      expiration: new Date(NOW_MS + 3_600_000).toISOString(),
    });
    time.nowMs += 3_600_000;
    expect(await ask('read', 'policies/acl/short')).toBeUndefined();
    expect(await tell('list', 'policies/acl')).toEqual({ keys: ['default', 'root'] });
  });

  it('changes some fields, and none of what is not there', async () => {
    const { ask, tell } = await world();
    expect(await tell('patch', 'policies/acl/p', { policy: RULES })).toEqual([400, 'policy not found']);
    expect(await tell('update', 'policies/acl/p', { policy: RULES, cas_required: true })).toEqual([
      400,
      'check-and-set parameter required for this call',
    ]);
    await ask('update', 'policies/acl/p', { policy: RULES, cas_required: true, cas: -1 });
    expect(await ask('patch', 'policies/acl/p', { cas: 1, ttl: 60 })).toEqual({ status: 200 });
    expect(await tell('read', 'policies/acl/p')).toMatchObject({
      policy: RULES,
      version: 2,
      cas_required: true,
      expiration: new Date(NOW_MS + 60_000).toISOString(),
    });
  });

  it('lists in pages, each with the policies that are always there', async () => {
    const { ask, tell } = await world();
    for (const name of ['a', 'b', 'c', 'z']) await ask('update', `policies/acl/${name}`, { policy: RULES });
    expect(await tell('list', 'policies/acl', { limit: 2 })).toEqual({ keys: ['a', 'b', 'default', 'root'] });
    expect(await tell('list', 'policies/acl', { limit: '2', after: 'b' })).toEqual({ keys: ['c', 'default', 'root'] });
    expect(await tell('list', 'policies/acl', { after: 'z' })).toEqual({ keys: ['default', 'root'] });
  });

  it('lists those below a name', async () => {
    const { ask, tell } = await world();
    for (const name of ['team/app', 'team/x/y', 'teams'])
      await ask('update', `policies/acl/${name}`, { policy: RULES });
    expect(await tell('list', 'policies/acl/team')).toEqual({ keys: ['team/app', 'team/x/y'] });
    expect(await tell('list', 'policies/acl/team/x/')).toEqual({ keys: ['team/x/y'] });
    expect(await tell('list', 'policies/acl/none')).toBeUndefined();
  });

  it('lists with the rules, all or below a name', async () => {
    const { ask, tell } = await world();
    await ask('update', 'policies/acl/team/x', { policy: RULES });
    expect(await tell('list', 'policies/detailed/acl')).toMatchObject({
      keys: ['default', 'team/x', 'root'],
      key_info: { 'team/x': { policy: RULES }, root: { policy: '' } },
    });
    for (const path of ['policies/detailed/acl/team', 'policies/detailed/acl/team/'])
      expect(await tell('list', path)).toMatchObject({ keys: ['team/x'] });
    expect(await ask('list', 'policies/detailed/acl/tea')).toBeUndefined();
  });
});

describe('sys/policy', () => {
  it('is the same under older names', async () => {
    const { asker, tell } = await world();
    await asker.ask('update', 'policy/p', { rules: RULES });
    expect(asker.warnings).toEqual(["'rules' is deprecated, please use 'policy' instead"]);
    await asker.ask('update', 'policy/q', { policy: RULES });
    expect(asker.warnings).toEqual([]);
    expect(await asker.ask('read', 'policy/p')).toMatchObject({
      alsoAtTopLevel: true,
      data: { name: 'p', rules: RULES },
    });
    const names = ['default', 'p', 'q', 'root'];
    for (const operation of ['read', 'list'] as const)
      expect(await asker.ask(operation, 'policy')).toEqual({
        alsoAtTopLevel: true,
        data: { keys: names, policies: names },
      });
    await asker.ask('delete', 'policy/p');
    expect(await asker.ask('read', 'policy/p')).toBeUndefined();
    expect(await tell('delete', 'policy/root')).toEqual([400, 'cannot delete "root" policy']);
  });

  it('writes what takes effect at once', async () => {
    const { ask, policies } = await world();
    const can = async () => (await policies.aclOf(ROOT_NAMESPACE, ['p'])).capabilities(ROOT_NAMESPACE, 'secret/a');
    expect(await can()).toEqual(['deny']);
    await ask('update', 'policy/p', { policy: RULES });
    expect(await can()).toEqual(['read']);
    await ask('delete', 'policy/p');
    expect(await can()).toEqual(['deny']);
  });
});
