import { describeEngine, openEngine } from '@coffer/testing';
import type { OpenEngine } from '@coffer/testing';
import { AppRoleMethod } from './approle.engine.ts';

describeEngine('approle', new AppRoleMethod(), { kind: 'auth' });

type Data = Readonly<Record<string, unknown>>;

async function withRole(more: Data = {}): Promise<OpenEngine> {
  const engine = await openEngine(new AppRoleMethod(), { kind: 'auth' });
  await engine.update('role/app', { token_policies: 'app', role_id: 'role-app', ...more });
  return engine;
}

async function issue(engine: OpenEngine, role = 'app', more: Data = {}): Promise<{ id: string; accessor: string }> {
  const data = (await engine.update(`role/${role}/secret-id`, more))?.data;
  return { id: String(data?.secret_id), accessor: String(data?.secret_id_accessor) };
}

const login = (engine: OpenEngine, id: string, remoteAddress = '127.0.0.1'): ReturnType<OpenEngine['update']> =>
  engine.update('login', { role_id: 'role-app', secret_id: id }, { remoteAddress });

describe('approle', () => {
  it('logs in with a role id and a secret id of that role', async () => {
    const engine = await withRole();
    const { id } = await issue(engine);
    expect((await login(engine, id))?.login).toMatchObject({ policies: ['app'], metadata: { role_name: 'app' } });
  });

  it('tells alias and role that a login would have, without doing it', async () => {
    const engine = await withRole();
    const { view } = engine.mount;
    const told = (roleId: unknown) =>
      engine.withType(async (type, own) => [
        await type.loginAlias?.(own, { role_id: roleId }, 'login', view),
        await type.loginRole?.(own, { role_id: roleId }, 'login', view),
      ]);
    expect(await told(' role-app ')).toEqual(['role-app', 'app']);
    expect(await told('role-none')).toEqual(['role-none', undefined]);
    for (const unknown of ['', undefined, 7]) expect(await told(unknown)).toEqual([undefined, undefined]);
  });

  it('refuses an unknown role id, a wrong secret id, and one of another role, alike', async () => {
    const engine = await withRole();
    await engine.update('role/other', { token_policies: 'other' });
    const { id } = await issue(engine, 'other');
    const refusal = { code: 'invalid-credentials', clientTexts: ['invalid role or secret ID'] };
    await expect(login(engine, id)).rejects.toMatchObject(refusal);
    await expect(login(engine, 'wrong')).rejects.toMatchObject(refusal);
    const unknown = engine.update('login', { role_id: 'none', secret_id: id });
    await expect(unknown).rejects.toMatchObject(refusal);
  });

  it('lets no more logins through than a secret id has uses, however many come at once', async () => {
    const engine = await withRole({ secret_id_num_uses: 3 });
    const { id } = await issue(engine);
    const logins = Array.from({ length: 12 }, () => login(engine, id));
    const done = (await Promise.allSettled(logins)).filter(({ status }) => status === 'fulfilled');
    expect(done).toHaveLength(3);
    await expect(login(engine, id)).rejects.toMatchObject({ status: 400 });
  });

  it('ends secret ids after their TTL, and tidies them away', async () => {
    const engine = await withRole({ secret_id_ttl: '10s' });
    const { id } = await issue(engine);
    await engine.clock.advance(10_000);
    await expect(login(engine, id)).rejects.toMatchObject({ code: 'invalid-credentials' });
    await engine.withType((type, own) => type.periodic?.(own));
    expect([...(await engine.stored()).keys()].filter((key) => /^(secret-id|accessor)\//.test(key))).toEqual([]);
  });

  it('takes secret ids from their own addresses only', async () => {
    const engine = await withRole({ secret_id_bound_cidrs: '10.0.0.0/8' });
    const { id } = await issue(engine, 'app', { cidr_list: '10.1.0.0/16' });
    await expect(login(engine, id, '10.2.0.1')).rejects.toThrow('source address is not authorized');
    expect((await login(engine, id, '10.1.0.1'))?.login).toBeDefined();
    await expect(issue(engine, 'app', { cidr_list: '192.168.0.0/16' })).rejects.toThrow('is not within');
  });

  it('lets a secret id narrow the addresses of the tokens, and never widen them', async () => {
    const engine = await withRole({ token_bound_cidrs: '10.0.0.0/8' });
    for (const wider of ['0.0.0.0/0', '::/0', '10.0.0.0/7', '10.1.0.0/16,192.168.0.1/32'])
      await expect(issue(engine, 'app', { token_bound_cidrs: wider })).rejects.toThrow("the role's token_bound_cidrs");
    await expect(
      engine.update('role/app/custom-secret-id', { secret_id: 'own', token_bound_cidrs: '0.0.0.0/0' }),
    ).rejects.toThrow("the role's token_bound_cidrs");
    const { id } = await issue(engine, 'app', { token_bound_cidrs: '10.1.0.0/16' });
    expect((await login(engine, id, '10.1.0.1'))?.login?.parameters.boundCidrs).toEqual(['10.1.0.0/16']);
  });

  it('keeps at least one constraint on a role, however the last one would go', async () => {
    const bound = { bind_secret_id: false, secret_id_bound_cidrs: '10.0.0.0/8' };
    const engine = await withRole(bound);
    const refusal = 'at least one constraint';
    await expect(engine.update('role/open', { bind_secret_id: false })).rejects.toThrow(refusal);
    await expect(engine.delete('role/app/secret-id-bound-cidrs')).rejects.toThrow(refusal);
    await expect(engine.delete('role/app/bound-cidr-list')).rejects.toThrow(refusal);
    await expect(engine.update('role/app/secret-id-bound-cidrs', { secret_id_bound_cidrs: '' })).rejects.toThrow(
      refusal,
    );
    await engine.update('role/app', { token_bound_cidrs: '10.0.0.0/8', secret_id_bound_cidrs: '' });
    await expect(engine.delete('role/app/token-bound-cidrs')).rejects.toThrow(refusal);
    await engine.delete('role/app/bind-secret-id');
    await engine.delete('role/app/token-bound-cidrs');
  });

  it('reads metadata in both forms, in linear time', async () => {
    const engine = await withRole();
    const metadataOf = async (metadata: string): Promise<unknown> =>
      (await login(engine, (await issue(engine, 'app', { metadata })).id))?.login?.metadata;
    expect(await metadataOf('{"a":"b"}')).toEqual({ a: 'b', role_name: 'app' });
    expect(await metadataOf(' a = b , c=d=e')).toEqual({ a: 'b', c: 'd=e', role_name: 'app' });
    // By a regular expression, minutes.
    for (const wrong of [' '.repeat(1_000_000), '{"a":1}', '{', 'a', '=b', `a=b,${' '.repeat(1_000_000)}`])
      await expect(issue(engine, 'app', { metadata: wrong })).rejects.toThrow('failed to parse metadata');
  });

  it('neither shows nor destroys a secret id by the accessor of another role', async () => {
    const engine = await withRole();
    await engine.update('role/other', { token_policies: 'other' });
    const { id, accessor } = await issue(engine);
    const sent = { secret_id_accessor: accessor };
    expect((await engine.update('role/other/secret-id-accessor/lookup', sent))?.status).toBe(404);
    await expect(engine.update('role/other/secret-id-accessor/destroy', sent)).rejects.toMatchObject({ status: 400 });
    expect((await login(engine, id))?.login).toBeDefined();
    await engine.update('role/app/secret-id-accessor/destroy', sent);
    await expect(login(engine, id)).rejects.toMatchObject({ status: 400 });
  });

  it('keeps no secret id in clear', async () => {
    const engine = await withRole();
    const { id } = await issue(engine);
    for (const entry of await engine.stored()) expect(entry.join()).not.toContain(id);
  });

  it('forgets the secret ids of a role that is removed and made anew', async () => {
    const engine = await withRole();
    const { id } = await issue(engine);
    await engine.delete('role/app');
    await engine.update('role/app', { role_id: 'role-app' });
    await expect(login(engine, id)).rejects.toMatchObject({ code: 'invalid-credentials' });
  });

  it('shows what was written under an older name under both, until it is written under the newer one', async () => {
    const engine = await withRole();
    const read = async (path = 'role/app') => (await engine.read(path))?.data;
    await engine.update('role/app/policies', { policies: 'Z,b' });
    await engine.update('role/app', { period: '1h' });
    expect(await read()).toMatchObject({ token_policies: ['b', 'z'], policies: ['b', 'z'], period: 3600 });
    expect(await read('role/app/policies')).toEqual({ token_policies: ['b', 'z'], policies: ['b', 'z'] });
    await engine.update('role/app/policies', { token_policies: 'Z,b' });
    expect(await read('role/app/policies')).toEqual({ token_policies: ['b', 'z'] });
    await engine.update('role/app', { token_policies: 'Z,b' });
    expect(await read('role/app/policies')).toEqual({ token_policies: ['Z', 'b'] });
    await engine.delete('role/app/period');
    expect(await read()).toMatchObject({ token_period: 0 });
    expect(await read()).not.toHaveProperty('period');
  });

  it('changes address blocks only where some are sent, and bounds those of secret ids by those of the role', async () => {
    const engine = await withRole({ token_bound_cidrs: '127.0.0.0/8' });
    await engine.update('role/app/token-bound-cidrs', {});
    expect((await engine.read('role/app/token-bound-cidrs'))?.data).toEqual({ token_bound_cidrs: ['127.0.0.0/8'] });
    await expect(issue(engine, 'app', { token_bound_cidrs: '10.0.0.0/8' })).rejects.toThrow('is not within');
    expect((await issue(engine, 'app', { token_bound_cidrs: '127.1.0.0/16' })).id).not.toBe('');
    await engine.update('role/app', { secret_id_bound_cidrs: [] });
    expect((await engine.read('role/app'))?.data).toMatchObject({ secret_id_bound_cidrs: [] });
  });

  it('resets fields of a role that is gone without a word, and lists nothing of it', async () => {
    const engine = await withRole();
    expect(await engine.delete('role/none/policies')).toBeUndefined();
    await expect(engine.list('role/none/secret-id')).rejects.toMatchObject({ status: 400 });
    await expect(engine.update('role/app/local-secret-ids', {})).rejects.toMatchObject({ status: 405 });
  });
});
