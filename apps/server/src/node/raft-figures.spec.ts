import { describe, expect, it } from '@jest/globals';
import type { RaftHealth } from '@coffer/cluster';
import { storageTrouble } from './raft-figures.ts';

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
