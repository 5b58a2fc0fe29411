import { TestStore, askPaths, outcomeOf } from '@coffer/testing';
import type { LeaseService } from './lease-service.ts';
import { leasePaths } from './leases.path.ts';

function world() {
  const asked: number[] = [];
  const leases = {
    irrevocable: (limit: number) => {
      asked.push(limit);
      return Promise.resolve([]);
    },
  } as unknown as LeaseService;
  return {
    asked,
    ...askPaths(
      leasePaths(() => leases),
      new TestStore().transactor(),
    ),
  };
}

describe('sys/leases', () => {
  it('lists leases that cannot be revoked, up to a limit', async () => {
    const { ask, asked } = world();
    const read = (limit?: string) => ask('read', 'leases', { type: 'irrevocable', ...(limit ? { limit } : {}) });
    expect((await read())?.data).toEqual({ lease_count: 0, leases: [] });
    await read('5');
    await read('none');
    expect(asked).toEqual([10_000, 5, Number.POSITIVE_INFINITY]);
    for (const limit of ['x', '-5', '0', '1.5', '1e3'])
      expect(await outcomeOf(read(limit))).toEqual([400, "limit must be 'none' or a positive integer"]);
  });
});
