import { InflightWindow } from './inflight-window.ts';
import { Progress } from './progress.ts';
import { RaftLog } from './raft-log.ts';
import { MemoryLog } from './transcript/memory-log.ts';
import { entriesOf } from './transcript/solo.ts';
import { UnstableLog } from './unstable-log.ts';

function logOf(stable: readonly number[], unstable: readonly number[]): { log: RaftLog; disk: MemoryLog } {
  const disk = new MemoryLog();
  disk.append(entriesOf(stable, 1));
  const log = new RaftLog(disk, 0, 0);
  for (const entry of entriesOf(unstable, stable.length + 1)) log.push(entry);
  return { log, disk };
}

describe('the unstable log', () => {
  it('hands out each entry once, and gives it up when it is written', () => {
    const unstable = new UnstableLog(5);
    for (const entry of entriesOf([1, 1], 5)) unstable.push(entry);
    const handed = unstable.hand();
    expect(handed.map(({ index }) => index)).toEqual([5, 6]);
    for (const entry of entriesOf([2], 7)) unstable.push(entry);
    expect([unstable.at(5).term, unstable.at(7).term, unstable.lastIndex]).toEqual([1, 2, 7]);
    unstable.stabilised();
    expect([unstable.offset, unstable.lastIndex]).toEqual([7, 7]);
    expect(unstable.hand().map(({ index }) => index)).toEqual([7]);
    expect(handed).toHaveLength(2);
  });

  it.each([
    ['what is fresh', 8, 7],
    ['what is being written', 6, 6],
    ['what is written', 3, 3],
  ])('replaces %s: only what still stands becomes stable', (_what, from, offset) => {
    const unstable = new UnstableLog(5);
    for (const entry of entriesOf([1, 1], 5)) unstable.push(entry);
    const handed = unstable.hand();
    for (const entry of entriesOf([1, 1], 7)) unstable.push(entry);
    unstable.truncate(from);
    for (const entry of entriesOf([2], from)) unstable.push(entry);
    expect([unstable.lastIndex, unstable.term(from)]).toEqual([from, 2]);
    expect(handed.map(({ term }) => term)).toEqual([1, 1]);
    unstable.stabilised();
    expect(unstable.offset).toBe(offset);
    expect(unstable.term(from)).toBe(2);
  });

  it('refuses gaps', () => {
    const unstable = new UnstableLog(5);
    expect(() => unstable.push({ kind: 'empty', term: 1, index: 6 })).toThrow(/no gap/u);
    expect(() => unstable.truncate(7)).toThrow(/bounds/u);
  });
});

describe('the whole log', () => {
  it('reads across what is stable and what is not', () => {
    const { log } = logOf([1, 1, 2], [2, 3]);
    expect([0, 1, 2, 3, 4, 5, 6].map((index) => log.term(index))).toEqual([0, 1, 1, 2, 2, 3, undefined]);
    expect(log.entries(2, 6, 1000)?.map(({ index }) => index)).toEqual([2, 3, 4, 5]);
    expect(log.entries(2, 6, 16 * 3)?.map(({ index }) => index)).toEqual([2, 3, 4]);
    expect(log.entries(2, 6, 16 * 2)?.map(({ index }) => index)).toEqual([2, 3]);
    expect(log.entries(2, 6, 0)?.map(({ index }) => index)).toEqual([2]);
    expect(log.entries(4, 6, 0)?.map(({ index }) => index)).toEqual([4]);
    expect(log.entries(4, 4, 0)).toEqual([]);
  });

  it('knows what is compacted away', () => {
    const { log, disk } = logOf([1, 1, 2], [2]);
    log.commitTo(3);
    log.handCommitted(1000);
    log.appliedTo(3);
    disk.compact(2);
    expect([log.term(1), log.term(2), log.term(3)]).toEqual([undefined, 1, 2]);
    expect(log.entries(2, 5, 100)).toBeUndefined();
    expect(log.entries(3, 5, 100)).toHaveLength(2);
  });

  it.each([
    [6, 3, 6],
    [6, 2, 4],
    [6, 1, 2],
    [3, 9, 3],
    [3, 1, 2],
    [5, 0, 0],
    [99, 2, 4],
    [0, 5, 0],
  ])('up to %d, of terms up to %d, ends at %d', (index, term, last) => {
    expect(logOf([1, 1, 2], [2, 3, 3]).log.lastWithTermUpTo(index, term)).toBe(last);
  });

  it('hands out what is committed once, bounded by bytes', () => {
    const { log } = logOf([1, 1, 1], []);
    log.commitTo(3);
    expect(log.handCommitted(32).map(({ index }) => index)).toEqual([1, 2]);
    expect(log.handCommitted(32).map(({ index }) => index)).toEqual([3]);
    expect(log.handCommitted(32)).toEqual([]);
    expect(() => log.commitTo(4)).toThrow(/only what is in the log/u);
  });

  it('never replaces what is committed', () => {
    const { log } = logOf([1, 1, 1], []);
    log.commitTo(2);
    expect(() => log.append(1, 1, entriesOf([2], 2))).toThrow(/never replaced/u);
    expect(log.append(2, 1, entriesOf([2], 3))).toEqual({ kind: 'matched', lastIndex: 3 });
    expect(log.append(2, 2, [])).toEqual({ kind: 'refused' });
  });
});

describe('the inflight window', () => {
  it('frees what was answered, in a ring', () => {
    const window = new InflightWindow(3);
    for (let index = 1; index <= 30; index++) {
      if (window.full) window.freeTo(index - 2);
      window.add(index);
      expect(window.count).toBeLessThanOrEqual(3);
    }
    window.freeTo(100);
    expect(window.count).toBe(0);
    for (const index of [1, 2, 3]) window.add(index);
    expect(() => window.add(4)).toThrow(/inflight window/u);
    window.freeFirst();
    expect(window.full).toBe(false);
  });

  it('keeps its order when it grows in the middle of its ring', () => {
    const window = new InflightWindow(16);
    for (const index of [1, 2, 3, 4]) window.add(index);
    window.freeTo(2);
    for (const index of [5, 6, 7, 8, 9]) window.add(index);
    window.freeTo(7);
    expect(window.count).toBe(2);
  });
});

describe('the progress of a follower', () => {
  it('goes back by the hint when probing, and never below what matches', () => {
    const progress = new Progress(10, 4, 0, false);
    expect(progress.refused(9, 5)).toBe(true);
    expect(progress.next).toBe(6);
    expect(progress.refused(9, 1)).toBe(false);
    progress.matched(3, 0);
    expect(progress.refused(5, 0)).toBe(true);
    expect(progress.next).toBe(4);
  });

  it('goes on behind a snapshot that was sent', () => {
    const progress = new Progress(1, 4, 0, false);
    progress.becomeSnapshot(20);
    expect(progress.paused).toBe(true);
    expect(progress.refused(0, 0)).toBe(false);
    progress.becomeProbe();
    expect([progress.next, progress.paused]).toEqual([21, false]);
  });
});
