import { healthPaths } from './health.path.ts';
import type { NodeOperations } from './node-operations.ts';
import { caller } from './test-world.fixture.ts';

function health(state: { sealed?: boolean; initialized?: boolean; standby?: boolean } = {}) {
  const { sealed = false, initialized = true, standby = false } = state;
  const node = {
    version: '1.0.0',
    sealStatus: () => ({ sealed, initialized }),
    leader: () => ({ haEnabled: true, isSelf: !standby }),
    removedFromCluster: () => undefined,
    storageTrouble: () => undefined,
    clusterIdentity: () => ({ id: 'i', name: 'n' }),
    clockSkewMs: () => 0,
    ending: () => false,
  } as unknown as NodeOperations;
  const { call } = caller(healthPaths(node));
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
