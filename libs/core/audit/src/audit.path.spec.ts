import { silentLog, systemRandom } from '@coffer/kernel';
import { badRequest } from '@coffer/sdk';
import type { AuditDeviceType } from '@coffer/sdk';
import { ManualClock, TestStore, askPaths, outcomeOf } from '@coffer/testing';
import { AuditService } from './audit-service.ts';
import { auditPaths } from './audit.path.ts';

async function world() {
  const store = new TestStore();
  const transactor = store.transactor();
  const device: AuditDeviceType = {
    help: { synopsis: 'fake', description: 'fake' },
    open: ({ file_path: path }) => {
      if (!path) return Promise.reject(badRequest('file_path is required'));
      const done = (): Promise<void> => Promise.resolve();
      return Promise.resolve({ write: done, reopen: done, close: done });
    },
  };
  const audit = new AuditService({
    backend: store,
    transactor,
    plugins: { auditDevice: (name) => (name === 'file' ? device : undefined) },
    clock: new ManualClock(),
    random: systemRandom,
    log: silentLog,
  });
  await audit.start();
  const asker = askPaths(
    auditPaths(() => audit),
    transactor,
  );
  const tell = (...args: Parameters<typeof asker.ask>): Promise<unknown> => outcomeOf(asker.ask(...args));
  return { audit, tell, ask: asker.ask };
}

const FILE = { type: 'file', options: { file_path: '/var/log/audit' } };

describe('sys/audit', () => {
  it('enables, lists and disables devices', async () => {
    const { ask, tell, audit } = await world();
    expect(await ask('read', 'audit')).toEqual({ alsoAtTopLevel: true, data: {} });
    expect(await ask('update', 'audit/main', { ...FILE, description: 'the main one' })).toBeUndefined();
    await ask('update', 'audit/team/a', { type: 'file', options: 'file_path=/b', local: true });
    expect(await tell('read', 'audit')).toEqual({
      'main/': {
        path: 'main/',
        type: 'file',
        description: 'the main one',
        local: false,
        options: { file_path: '/var/log/audit' },
      },
      'team/a/': { path: 'team/a/', type: 'file', description: '', local: true, options: { file_path: '/b' } },
    });
    await ask('delete', 'audit/main');
    await ask('delete', 'audit/none');
    expect(Object.keys((await tell('read', 'audit')) as object)).toEqual(['team/a/']);
    await ask('delete', 'audit/team/a/');
    expect(audit.enabled).toBe(false);
  });

  it.each<[string, Record<string, unknown>, string]>([
    ['main', {}, 'missing type of the audit device'],
    ['main', { type: 'syslog' }, 'unknown backend type: "syslog"'],
    ['main', { type: 'file' }, 'file_path is required'],
    [
      'main',
      { type: 'file', options: { file_path: '/a', log_raw: 'perhaps' } },
      'option "log_raw" must be true or false',
    ],
    ['main', { type: 'file', options: 7 }, 'options'],
    ['taken', FILE, 'path already in use'],
    ['taken/below', FILE, 'path already in use'],
  ])('refuses %j %j', async (path, sent, text) => {
    const { ask, tell } = await world();
    await ask('update', 'audit/taken', FILE);
    expect(await tell('update', `audit/${path}`, sent)).toEqual([400, expect.stringContaining(text)]);
    expect(Object.keys((await tell('read', 'audit')) as object)).toEqual(['taken/']);
  });

  it('tells how a device hashes a text', async () => {
    const { ask, tell, audit } = await world();
    await ask('update', 'audit/main', FILE);
    expect(await tell('update', 'audit-hash/main', { input: 'text' })).toEqual({ hash: audit.hash('main', 'text') });
    expect(await tell('update', 'audit-hash/main/', { input: 'text' })).toEqual({ hash: audit.hash('main', 'text') });
    expect(audit.hash('main', 'text')).toMatch(/^hmac-sha256:[0-9a-f]{64}$/);
    expect(await tell('update', 'audit-hash/main', {})).toEqual([400, 'the "input" parameter is empty']);
    expect(await tell('update', 'audit-hash/none', { input: 'a' })).toEqual([400, 'unknown audit backend "none/"']);
  });
});

describe('sys/config/auditing/request-headers', () => {
  it('says which headers are written, and how', async () => {
    const { ask, tell } = await world();
    expect(await tell('read', 'config/auditing/request-headers')).toEqual({ headers: {} });
    await ask('update', 'config/auditing/request-headers/X-Team', { hmac: 'true' });
    await ask('update', 'config/auditing/request-headers/X-Plain');
    expect(await tell('read', 'config/auditing/request-headers')).toEqual({
      headers: { 'x-team': { hmac: true }, 'x-plain': { hmac: false } },
    });
    expect(await tell('read', 'config/auditing/request-headers/X-Team')).toEqual({ 'X-Team': { hmac: true } });
    await ask('delete', 'config/auditing/request-headers/x-TEAM');
    for (const name of ['X-Team', '__proto__', 'constructor'])
      expect(await tell('read', `config/auditing/request-headers/${name}`)).toEqual([
        400,
        'Could not find header in config',
      ]);
  });

  it.each(['X-Vault-Token', 'authorization', 'Cookie'])('never writes %s', async (header) => {
    const { tell } = await world();
    expect(await tell('update', `config/auditing/request-headers/${header}`)).toEqual([
      400,
      `header "${header}" cannot be audited`,
    ]);
    expect(await tell('read', 'config/auditing/request-headers')).toEqual({ headers: {} });
  });
});
