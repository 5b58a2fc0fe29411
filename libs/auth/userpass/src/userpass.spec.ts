import { describeEngine, openEngine } from '@coffer/testing';
import type { OpenEngine } from '@coffer/testing';
import { UserpassMethod } from './userpass.engine.ts';

describeEngine('userpass', new UserpassMethod(), { kind: 'auth' });

async function withAnn(more: Readonly<Record<string, unknown>> = {}): Promise<OpenEngine> {
  const engine = await openEngine(new UserpassMethod(), { kind: 'auth' });
  await engine.update('users/ann', { password: 'right', token_policies: 'app', ...more });
  return engine;
}

describe('userpass', () => {
  it('logs in with the right password, whatever the case of the name', async () => {
    const engine = await withAnn();
    const answer = await engine.update('login/ANN', { password: 'right' });
    expect(answer?.login).toMatchObject({ policies: ['app'], alias: { name: 'ann' } });
  });

  it('refuses a wrong password and an unknown name alike', async () => {
    const engine = await withAnn();
    const refusal = { code: 'invalid-credentials', status: 400, clientTexts: ['invalid username or password'] };
    await expect(engine.update('login/ann', { password: 'wrong' })).rejects.toMatchObject(refusal);
    await expect(engine.update('login/bob', { password: 'right' })).rejects.toMatchObject(refusal);
    await expect(engine.update('login/__proto__', { password: 'right' })).rejects.toMatchObject(refusal);
  });

  it('compares passwords to their end', async () => {
    const engine = await withAnn({ password: 'x'.repeat(72) });
    expect((await engine.update('login/ann', { password: 'x'.repeat(72) }))?.login).toBeDefined();
    for (const wrong of ['x'.repeat(73), `${'x'.repeat(72)}\u0000`, `${'x'.repeat(71)}\u0000`])
      await expect(engine.update('login/ann', { password: wrong })).rejects.toMatchObject({ status: 400 });
    const cut = await withAnn({ password: 'abc\u0000def' });
    await expect(cut.update('login/ann', { password: 'abc' })).rejects.toMatchObject({ status: 400 });
    expect((await cut.update('login/ann', { password: 'abc\u0000def' }))?.login).toBeDefined();
  });

  it('takes hashes that were made elsewhere, but none that would keep the threads busy', async () => {
    const engine = await withAnn();
    const hash = (cost: string): string => `$2b$${cost}$9DpDwrPqcWqTqpL3y9Df3uhh1s/WpDt.tNh8C.b/7iqgUPPTsZdKm`;
    await engine.update('users/bob', { password_hash: hash('16') });
    for (const cost of ['17', '31', '32', '03'])
      await expect(engine.update('users/eve', { password_hash: hash(cost) })).rejects.toThrow("'password_hash' must");
  });

  it('lets in from the bound addresses only', async () => {
    const engine = await withAnn({ token_bound_cidrs: '10.0.0.0/8' });
    const login = (remoteAddress: string): ReturnType<OpenEngine['update']> =>
      engine.update('login/ann', { password: 'right' }, { remoteAddress });
    await expect(login('192.168.0.1')).rejects.toMatchObject({ status: 403 });
    expect((await login('10.1.2.3'))?.login).toBeDefined();
  });

  it('shows no password, in no form, and keeps none in clear', async () => {
    const engine = await withAnn();
    expect(Object.keys((await engine.read('users/ann'))?.data ?? {}).join()).not.toMatch(/password/);
    for (const value of (await engine.stored()).values()) expect(value).not.toContain('right');
  });

  it('changes a password, and knows the old one no more', async () => {
    const engine = await withAnn();
    await engine.update('users/ann/password', { password: 'newer' });
    await expect(engine.update('login/ann', { password: 'right' })).rejects.toMatchObject({ status: 400 });
    expect((await engine.update('login/ann', { password: 'newer' }))?.login).toBeDefined();
  });

  it('refuses a new user without a password, and one that bcrypt would cut', async () => {
    const engine = await withAnn();
    await expect(engine.update('users/bob', {})).rejects.toThrow('must provide either password or password_hash');
    await expect(engine.update('users/bob', { password: 'x'.repeat(73) })).rejects.toThrow('longer than 72 bytes');
    expect(await engine.list('users')).toEqual(['ann']);
  });

  it('shows what was written under an older name under both, until it is written under the newer one', async () => {
    const engine = await withAnn({ policies: 'Z,b', ttl: '1m' });
    const read = async () => (await engine.read('users/ann'))?.data;
    expect(await read()).toMatchObject({ token_policies: ['app'], policies: ['app'], ttl: 60, token_ttl: 60 });
    await engine.update('users/ann/policies', { policies: 'Z,b' });
    expect(await read()).toMatchObject({ token_policies: ['b', 'z'], policies: ['b', 'z'] });
    await engine.update('users/ann/policies', {});
    await engine.update('users/ann', { token_ttl: '2m' });
    expect(await read()).toMatchObject({ policies: ['b', 'z'], token_ttl: 120 });
    expect(await read()).not.toHaveProperty('ttl');
    await engine.update('users/ann/policies', { token_policies: 'Z,b' });
    expect(await read()).toMatchObject({ token_policies: ['b', 'z'] });
    expect(await read()).not.toHaveProperty('policies');
  });

  it('renews nothing of a user who is gone', async () => {
    const engine = await withAnn();
    const login = await engine.update('login/ann', { password: 'right' });
    expect(await engine.renewLogin(login)).toMatchObject({ policies: ['app'] });
    await engine.delete('users/ann');
    expect(await engine.renewLogin(login)).toBeUndefined();
  });

  it('knows no names but words', async () => {
    const engine = await withAnn();
    await expect(engine.update('users/a b', { password: 'right' })).rejects.toMatchObject({ status: 404 });
    await expect(engine.update('login/ann@x', { password: 'right' })).rejects.toMatchObject({ status: 404 });
  });
});
