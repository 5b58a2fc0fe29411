import type { Barrier, KeyStatus } from '@coffer/barrier';
import { rotateIfDue } from './barrier-rotation.ts';
import { keyStatusPaths } from './key-status.path.ts';
import { caller, outcome } from './test-world.fixture.ts';

function world() {
  let status: KeyStatus = { term: 1, installTimeMs: 1_600_000_000_000, encryptions: 7 };
  const barrier = {
    keyStatus: () => status,
    rotate: () => {
      status = { term: status.term + 1, installTimeMs: 1_700_000_000_000, encryptions: 0 };
      return Promise.resolve(status);
    },
  } as unknown as Barrier;
  return { barrier, ...caller(keyStatusPaths(() => barrier)) };
}

describe('sys/key-status and sys/rotate', () => {
  it('tell of the key and add another', async () => {
    const { call } = world();
    const answer = await call('read', 'key-status');
    expect(answer).toEqual({
      alsoAtTopLevel: true,
      data: { term: 1, install_time: '2020-09-13T12:26:40.000Z', encryptions: 7 },
    });
    expect(await call('update', 'rotate')).toBeUndefined();
    expect(await call('update', 'rotate/keyring')).toBeUndefined();
    expect(await outcome(call('read', 'key-status'))).toMatchObject({ term: 3, encryptions: 0 });
  });
});

describe('sys/rotate/config', () => {
  it('is as recorded', async () => {
    const { call } = world();
    expect(await outcome(call('read', 'rotate/config'))).toEqual({
      enabled: true,
      interval: 0,
      max_operations: 3_865_470_566,
    });
    await call('update', 'rotate/config', { max_operations: 2_000_000, interval: 48 * 3600, enabled: false });
    expect(await outcome(call('read', 'rotate/keyring/config'))).toEqual({
      enabled: false,
      interval: '48h0m0s',
      max_operations: 2_000_000,
    });
  });

  it.each([
    [{ max_operations: 5 }, 'max_operations must be in the range [1000000,3865470566]'],
    [{ max_operations: 3_865_470_567 }, 'max_operations must be in the range [1000000,3865470566]'],
    [{ interval: 60 }, 'interval must be greater or equal to 24h0m0s'],
    [{ interval: -1 }, 'interval must be greater or equal to 24h0m0s'],
  ])('refuses %j', async (sent, text) => {
    const { call } = world();
    expect(await outcome(call('update', 'rotate/config', sent))).toEqual([400, text]);
    expect(await outcome(call('read', 'rotate/config'))).toMatchObject({ interval: 0 });
  });
});

describe('rotation when due', () => {
  const INSTALLED = 1_600_000_000_000;
  const config = { maxOperations: 1_000_000, intervalSeconds: 86_400, enabled: true };

  it.each([
    ['too early', config, INSTALLED + 86_399_999, false],
    ['old', config, INSTALLED + 86_400_000, true],
    ['old but turned off', { ...config, enabled: false }, INSTALLED + 86_400_000, false],
    ['any age', { ...config, intervalSeconds: 0 }, INSTALLED * 2, false],
    ['much used', { ...config, maxOperations: 7 }, INSTALLED, true],
  ])('%s', async (_, settings, nowMs, expected) => {
    const { barrier } = world();
    expect(await rotateIfDue(barrier, settings, nowMs)).toBe(expected);
    expect(barrier.keyStatus().term).toBe(expected ? 2 : 1);
  });
});
