import { jest } from '@jest/globals';
import { systemClock } from '@coffer/kernel';
import type { RaftNode } from '../cluster.ts';
import { put, TestCluster, until } from './test-cluster.fixture.ts';

jest.setTimeout(60_000);

let cluster: TestCluster;

beforeEach(async () => {
  cluster = await TestCluster.create();
});

afterEach(async () => {
  await cluster.destroy();
});

/** Nodes that are opened from now on are so far ahead. */
const ahead = (ms: number): void => {
  cluster.clock = { ...systemClock, nowMs: () => systemClock.nowMs() + ms };
};

describe('clocks', () => {
  it('that agree are nothing to speak of', async () => {
    const nodes = await cluster.of('a', 'b', 'c');
    await new Promise((resolve) => setTimeout(resolve, 5000));
    for (const node of nodes) {
      expect(node.health().clockWrong).toBe(false);
      expect(Math.abs(node.health().clockSkewMs)).toBeLessThan(2000);
    }
  });

  it('show which standby is wrong', async () => {
    const a = await cluster.bootstrap('a');
    const b = await cluster.join('b');
    ahead(-60_000);
    const c = await cluster.join('c');
    await until(() => c.health().clockWrong);
    expect(Math.round(c.health().clockSkewMs / 10_000)).toBe(-6);
    expect([a.health().clockWrong, b.health().clockWrong]).toEqual([false, false]);
    expect(a.state().role).toBe('active');
  });

  it('that are wrong on the active node make it hand over', async () => {
    ahead(3_600_000);
    const a = await cluster.bootstrap('a');
    ahead(0);
    const [b, c] = [await cluster.join('b'), await cluster.join('c')] as [RaftNode, RaftNode];
    await until(() => a.health().clockWrong && a.state().role === 'standby');
    const leader = await cluster.elected(b, c);
    await put(leader, 'k', 'v');
    await until(() => !b.health().clockWrong && !c.health().clockWrong && a.health().clockWrong);
    expect(Math.round(a.health().clockSkewMs / 600_000)).toBe(6);
  });

  it('of two nodes accuse the one that does not lead', async () => {
    const a = await cluster.bootstrap('a');
    ahead(60_000);
    const b = await cluster.join('b');
    await until(() => b.health().clockWrong);
    expect(a.health().clockWrong).toBe(false);
    expect(a.state().role).toBe('active');
  });
});
