import type { NodeOperations } from './node-operations.ts';
import { sealPaths } from './seal.path.ts';
import { caller, outcome } from './test-world.fixture.ts';

function world(sealed: boolean) {
  const done: string[] = [];
  const status = { sealed, initialized: true };
  const node = {
    sealStatus: () => status,
    unseal: () => {
      done.push('unseal');
      return Promise.resolve(status);
    },
    initialize: () => {
      done.push('initialize');
      return Promise.resolve({ keys: [], keysBase64: [], rootToken: 't' });
    },
    clusterIdentity: () => undefined,
    removedFromCluster: () => undefined,
  } as unknown as NodeOperations;
  const { call } = caller(sealPaths(node));
  return { done, ask: (path: string, data: Record<string, unknown>) => outcome(call('update', path, data)) };
}

describe('sys/init', () => {
  it('takes no recovery keys, which this seal has no use for', async () => {
    const { ask, done } = world(true);
    const shares = { secret_shares: 1, secret_threshold: 1 };
    expect(await ask('init', { ...shares, recovery_shares: 1, recovery_pgp_keys: ['x'] })).toEqual([
      400,
      'parameters recovery_shares,recovery_pgp_keys not applicable to seal type shamir',
    ]);
    expect(done).toEqual([]);
    await ask('init', { ...shares, recovery_shares: 0, stored_shares: 1 });
    expect(done).toEqual(['initialize']);
  });
});

describe('sys/unseal', () => {
  it.each([true, false])('refuses what is no share (sealed: %s)', async (sealed) => {
    const { ask, done } = world(sealed);
    expect(await ask('unseal', { key: 'zz!' })).toEqual([400, "'key' must be a valid hex or base64 string"]);
    expect(done).toEqual([]);
    expect(await ask('unseal', { key: 'abcd', migrate: true })).toEqual([400, expect.stringContaining('no migration')]);
    await ask('unseal', { key: 'abcd' });
    expect(done).toEqual(sealed ? ['unseal'] : []);
  });
});
