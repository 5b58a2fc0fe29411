import { InmemBackend, alwaysActive } from '@coffer/storage';
import { describeBackend } from './describe-backend.ts';

const SELF = { nodeId: 'n1', apiAddress: 'http://127.0.0.1:8200', clusterAddress: 'https://127.0.0.1:8201' };

describeBackend('inmem', () => Promise.resolve({ backend: new InmemBackend(), epoch: () => 1 }), {
  valueBytes: 8 << 20,
});

describe('the coordinator of inmem', () => {
  it('is active from the start, without standbys', async () => {
    const ha = alwaysActive(SELF, 5);
    expect([ha.enabled, ha.self, ha.state()]).toEqual([false, SELF, { role: 'active', epoch: 1, sinceMs: 5 }]);
    await ha.stepDown();
    expect(ha.state().role).toBe('active');
  });
});
