import type { Entry, Term } from 'raft-ts';
import { BLANK_STATE } from './register-machine.ts';
import { DiskImage, SimDisk } from './sim-disk.ts';

function entries(from: number, terms: readonly Term[]): Entry[] {
  return terms.map((term, at) => ({ kind: 'data', term, index: from + at, data: new Uint8Array(10) }));
}

function disk(): SimDisk {
  return new SimDisk(new DiskImage({ term: 1, vote: 0, commit: 0 }, BLANK_STATE, { index: 0, term: 0 }));
}

function logTerms(image: DiskImage): (Term | undefined)[] {
  return Array.from({ length: image.lastIndex() - image.base.index }, (_, at) => image.term(image.base.index + 1 + at));
}

describe('the simulated disk', () => {
  it('shows a write when it ends, and keeps it once synced', () => {
    const tested = disk();
    const batch = { entries: entries(1, [1, 1]) };
    tested.submit(batch);
    expect(tested.lastIndex()).toBe(0);
    tested.complete(batch, true);
    expect(tested.lastIndex()).toBe(2);
    expect(logTerms(tested.crash(0))).toEqual([1, 1]);
  });

  it('loses in a crash what was not synced, from the end', () => {
    const tested = disk();
    for (const from of [1, 2, 3]) {
      const batch = { entries: entries(from, [1]) };
      tested.submit(batch);
      tested.complete(batch, false);
    }
    expect(tested.lastIndex()).toBe(3);
    expect(logTerms(tested.crash(0))).toEqual([]);
    expect(logTerms(tested.crash(2))).toEqual([1, 1]);
  });

  it('makes earlier writes durable with a later sync, in order', () => {
    const tested = disk();
    const first = { hardState: { term: 2, vote: 1, commit: 0 } };
    const second = { entries: entries(1, [2]) };
    tested.submit(first);
    tested.complete(first, false);
    tested.submit(second);
    tested.complete(second, true);
    expect(tested.crash(0).hardState).toEqual({ term: 2, vote: 1, commit: 0 });
    expect(tested.pending()).toBe(0);
  });

  it('keeps what came before a write under way, and not the write', () => {
    const tested = disk();
    const under = { entries: entries(1, [1]) };
    tested.submit(under);
    expect(logTerms(tested.crash(0))).toEqual([]);
    expect(logTerms(tested.crash(1))).toEqual([1]);
  });

  it('replaces entries and all that follow', () => {
    const tested = disk();
    for (const batch of [{ entries: entries(1, [1, 1, 1]) }, { entries: entries(2, [2]) }]) {
      tested.submit(batch);
      tested.complete(batch, true);
    }
    expect(logTerms(tested.durable())).toEqual([1, 2]);
  });

  it('refuses a log with a hole', () => {
    const tested = disk();
    const batch = { entries: entries(2, [1]) };
    tested.submit(batch);
    expect(() => tested.complete(batch, true)).toThrow('the log has no holes');
  });

  it('reads ranges up to a size but never nothing, and nothing that is compacted', () => {
    const tested = disk();
    for (const batch of [{ entries: entries(1, [1, 1, 2, 2]) }, { compactTo: 1 }]) {
      tested.submit(batch);
      tested.complete(batch, true);
    }
    expect(tested.firstIndex()).toBe(2);
    expect(tested.term(1)).toBe(1);
    expect(tested.term(0)).toBeUndefined();
    expect(tested.entries(1, 3, 1000)).toBeUndefined();
    expect(tested.entries(2, 5, 20)?.map(({ index }) => index)).toEqual([2, 3]);
    expect(tested.entries(2, 5, 1)?.map(({ index }) => index)).toEqual([2]);
  });

  it('replaces the log by a snapshot, but for what follows a matching entry', () => {
    const install = (index: number, term: Term): DiskImage => {
      const tested = disk();
      const machine = { ...BLANK_STATE, applied: index, term };
      for (const batch of [{ entries: entries(1, [1, 1, 2]) }, { install: { index, term, machine } }]) {
        tested.submit(batch);
        tested.complete(batch, true);
      }
      return tested.crash(0);
    };
    expect(logTerms(install(2, 1))).toEqual([2]);
    expect(logTerms(install(2, 3))).toEqual([]);
    expect(install(9, 3).lastIndex()).toBe(9);
    expect(install(9, 3).machine.applied).toBe(9);
  });
});
