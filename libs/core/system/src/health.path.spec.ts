import { healthPaths } from './health.path.ts';
import type { NodeOperations } from './node-operations.ts';
import { caller, outcome } from './test-world.fixture.ts';

interface State {
  readonly sealed?: boolean;
  readonly initialized?: boolean;
  readonly standby?: boolean;
  readonly haEnabled?: boolean;
}

function world({ sealed = false, initialized = true, standby = false, haEnabled = true }: State) {
  const node = {
    version: '1.0.0',
    sealStatus: () => ({ sealed, initialized }),
    leader: () => ({ haEnabled, isSelf: !standby, leaderAddress: 'a', leaderClusterAddress: 'c' }),
    removedFromCluster: () => undefined,
    storageTrouble: () => undefined,
    clusterIdentity: () => ({ id: 'i', name: 'n' }),
    clockSkewMs: () => 0,
    ending: () => false,
  } as unknown as NodeOperations;
  return caller(healthPaths(node));
}

function health(state: State = {}) {
  const { call } = world(state);
  return async (query: Record<string, string> = {}) => (await call('read', 'health', query))?.status;
}

describe('sys/health', () => {
  it('tells the state by its status', async () => {
    expect(await health()()).toBe(200);
    expect(await health({ standby: true })()).toBe(429);
    expect(await health({ sealed: true })()).toBe(503);
    expect(await health({ sealed: true, initialized: false })()).toBe(501);
    expect(await health({ standby: true })({ standbyok: 'true' })).toBe(200);
  });

  it('takes other codes', async () => {
    expect(await health()({ activecode: '299', sealedcode: '298' })).toBe(299);
    expect(await health({ sealed: true })({ activecode: '299', sealedcode: '298' })).toBe(298);
  });

  it('refuses codes that are no numbers, and those that it cannot answer with where they are asked for', async () => {
    await expect(health()({ sealedcode: 'abc' })).rejects.toThrow('is not an HTTP status');
    expect(await health()({ sealedcode: '1000' })).toBe(200);
    for (const activecode of ['1000', '101', '-5', '0'])
      await expect(health()({ activecode })).rejects.toThrow('between');
  });
});

describe('sys/leader', () => {
  it('is told by a node that is unsealed, or that is alone', async () => {
    const leader = async (state: State) => outcome(world(state).call('read', 'leader'));
    expect(await leader({})).toMatchObject({ ha_enabled: true, is_self: true, leader_address: 'a' });
    expect(await leader({ sealed: true })).toEqual([503, 'Vault is sealed']);
    expect(await leader({ sealed: true, haEnabled: false })).toMatchObject({ ha_enabled: false });
  });
});
