import { silentLog } from '@coffer/kernel';
import type { LevelDisk } from '../disk/level-disk.ts';
import { decodePayload, type Payload } from '../disk/payload.codec.ts';
import { RestoreRunner } from './restore-runner.ts';

function world() {
  const state = { term: 0, restore: { attempt: 7, sequence: 1 } as LevelDisk['restore'] };
  const proposed: Payload[] = [];
  const runner = new RestoreRunner({
    disk: () => ({ restore: state.restore, root: 0 }) as LevelDisk,
    activeTerm: () => state.term,
    propose: (data) => {
      proposed.push(decodePayload(data));
      return Promise.resolve({ index: 9 });
    },
    hold: () => undefined,
    entryBytesMax: 1 << 20,
    log: silentLog,
  });
  return { state, proposed, runner };
}

describe('a restore that the former active node left unfinished', () => {
  it('is given up by the next one, which asks once', () => {
    const { state, proposed, runner } = world();
    runner.tend();
    expect(proposed).toEqual([]);
    state.term = 3;
    runner.tend();
    runner.tend();
    expect(proposed).toEqual([{ kind: 'restore', step: { kind: 'abandon', attempt: 7 } }]);
    state.term = 5;
    runner.tend();
    expect(proposed).toHaveLength(2);
  });

  it('is nothing to give up where there is none', () => {
    const { state, proposed, runner } = world();
    state.term = 3;
    state.restore = undefined;
    runner.tend();
    expect(proposed).toEqual([]);
  });
});
