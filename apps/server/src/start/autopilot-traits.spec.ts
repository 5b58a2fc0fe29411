import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { storageSettings } from './load-settings.ts';

const folder = mkdtempSync(join(tmpdir(), 'coffer-traits-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const settings = (env: Readonly<Record<string, string>>, configured: object = {}) =>
  storageSettings(
    {
      storage: {
        kind: 'raft',
        path: join(folder, 'data'),
        performanceMultiplier: 1,
        retryJoin: [],
        joinAsNonVoter: false,
        ...configured,
      },
    },
    env,
  );

describe('zone and version of a node', () => {
  const configured = { redundancyZone: 'a', upgradeVersion: '1.0' };

  it('come from the file, and before it from the environment', () => {
    expect(settings({}, configured)).toMatchObject(configured);
    expect(settings({ VAULT_RAFT_REDUNDANCY_ZONE: 'b', COFFER_RAFT_UPGRADE_VERSION: '2.0' }, configured)).toMatchObject(
      { redundancyZone: 'b', upgradeVersion: '2.0' },
    );
    expect(settings({ VAULT_RAFT_REDUNDANCY_ZONE: '' })).not.toHaveProperty('redundancyZone');
  });

  it.each([
    [{ COFFER_RAFT_REDUNDANCY_ZONE: '-' }, 'environment variable COFFER_RAFT_REDUNDANCY_ZONE: expected up to 128'],
    [{ VAULT_RAFT_UPGRADE_VERSION: 'new' }, 'environment variable VAULT_RAFT_UPGRADE_VERSION: expected a semantic'],
  ])('cannot be as in %j', (env, complaint) => {
    expect(() => settings(env)).toThrow(complaint);
  });
});
