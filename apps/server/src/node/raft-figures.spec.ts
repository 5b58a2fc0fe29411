import { describe, expect, it } from '@jest/globals';
import type { RaftHealth } from '@coffer/cluster';
import type { AutopilotState } from '@coffer/storage';
import { autopilotGauges, storageTrouble } from './raft-figures.ts';

const well: RaftHealth = {
  disk: 'ok',
  diskWriteMs: 0,
  running: true,
  leaderKnown: true,
  leaderlessMs: 0,
  clockSkewMs: 0,
  clockWrong: false,
  removed: false,
};

describe('what is wrong with the storage', () => {
  it('is nothing while all is well, sealed, or for the moment of an election', () => {
    expect(storageTrouble(well)).toBeUndefined();
    expect(storageTrouble({ ...well, clockSkewMs: 9000, clockWrong: true })?.status).toBe('clock');
    expect(storageTrouble({ ...well, leaderKnown: false, leaderlessMs: 900 })).toBeUndefined();
    expect(storageTrouble({ ...well, running: false, leaderKnown: false, leaderlessMs: 0 })).toBeUndefined();
  });

  it('is said without paths', () => {
    for (const disk of ['stuck', 'full', 'failed', 'damaged'] as const) {
      const trouble = storageTrouble({ ...well, disk, diskError: 'IO error: /secret/path: broken' });
      expect(trouble?.status).toBe(disk);
      expect(trouble?.text).not.toContain('/secret');
    }
    expect(storageTrouble({ ...well, leaderKnown: false, leaderlessMs: 6000 })?.status).toBe('no-leader');
  });
});

describe('figures of autopilot', () => {
  const state: AutopilotState = {
    healthy: true,
    failureTolerance: 1,
    leader: 'a',
    voters: ['a'],
    nonVoters: [],
    servers: [],
  };
  const figures = (of: AutopilotState | undefined) => autopilotGauges(of).map(({ name, value }) => [name, value]);

  it('are those of the active node alone, and tell of standbys where there are zones', () => {
    expect(figures(undefined)).toEqual([]);
    expect(figures({ ...state, healthy: false })).toEqual([
      ['vault.autopilot.healthy', 0],
      ['vault.autopilot.failure_tolerance', 1],
    ]);
    expect(figures({ ...state, redundancy: { zones: new Map(), optimisticFailureTolerance: 4 } })).toContainEqual([
      'vault.autopilot.optimistic_failure_tolerance',
      4,
    ]);
  });
});
