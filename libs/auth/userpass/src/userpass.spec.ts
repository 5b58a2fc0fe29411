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
});
