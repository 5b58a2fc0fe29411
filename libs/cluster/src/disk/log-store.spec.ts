import type { Entry } from 'raft-ts';
import { LogStore } from './log-store.ts';

/** A disk of memory. */
class Pages {
  readonly held = new Map<string, Uint8Array>();

  put(key: string, value: Uint8Array): void {
    this.held.set(key, value);
  }

  del(key: string): void {
    this.held.delete(key);
  }

  reopened(cut: number, cutTerm: number): LogStore {
    const log = new LogStore((key) => this.held.get(key), cut, cutTerm);
    for (const key of [...this.held.keys()].sort()) log.load(this.held.get(key) as Uint8Array);
    return log;
  }
}

function data(index: number, term: number, size = 10): Entry {
  return { kind: 'data', index, term, data: new Uint8Array(size).fill(index % 251) };
}

const brief = (entries: readonly Entry[] | undefined): string[] | undefined =>
  entries?.map(({ index, term }) => `${index}@${term}`);

/** A small generator (mulberry32), so that a failing run can be repeated by its seed. */
function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

describe('the log on disk', () => {
  it('begins behind its cut', () => {
    const log = new LogStore(() => undefined, 7, 2);
    expect([log.firstIndex(), log.lastIndex(), log.term(7), log.term(8), log.term(6)]).toEqual([
      8,
      7,
      2,
      undefined,
      undefined,
    ]);
    expect(log.entries(7, 8, 100)).toBeUndefined();
  });

  it('replaces a tail, also in the middle of a group', () => {
    const pages = new Pages();
    const log = pages.reopened(0, 0);
    log.append([data(1, 1), data(2, 1), data(3, 1), data(4, 1)], pages);
    log.append([data(5, 2)], pages);
    log.append([data(3, 3), data(4, 3)], pages);
    for (const each of [log, pages.reopened(0, 0)]) {
      expect(brief(each.entries(1, 5, 1000))).toEqual(['1@1', '2@1', '3@3', '4@3']);
      expect(each.lastIndex()).toBe(4);
    }
  });

  it('cuts an answer after so many bytes, but never to nothing', () => {
    const pages = new Pages();
    const log = pages.reopened(0, 0);
    log.append([data(1, 1, 100), data(2, 1, 100), data(3, 1, 100)], pages);
    expect(brief(log.entries(1, 4, 220))).toEqual(['1@1', '2@1']);
    expect(brief(log.entries(2, 4, 1))).toEqual(['2@1']);
  });

  it('splits large groups', () => {
    const pages = new Pages();
    pages.reopened(0, 0).append([data(1, 1, 700_000), data(2, 1, 700_000), data(3, 1, 5_000_000)], pages);
    expect(pages.held.size).toBe(3);
  });

  it('refuses a gap and a write before the cut', () => {
    const pages = new Pages();
    const log = pages.reopened(4, 1);
    expect(() => log.append([data(6, 1)], pages)).toThrow('gap');
    expect(() => log.append([data(4, 1)], pages)).toThrow('cut off');
  });

  it('refuses chunks that do not fit together', () => {
    const pages = new Pages();
    const log = pages.reopened(0, 0);
    for (let index = 1; index <= 3; index++) log.append([data(index, 1)], pages);
    pages.held.delete([...pages.held.keys()].sort()[1] as string);
    expect(() => pages.reopened(0, 0)).toThrow(expect.objectContaining({ code: 'corrupt' }));
    expect(() => pages.reopened(1, 1)).toThrow(expect.objectContaining({ code: 'corrupt' }));
  });

  it.each([1, 2, 3, 4, 5, 6, 7, 8])('behaves as a plain array would (seed %d)', (seed) => {
    const below = seeded(seed);
    const pages = new Pages();
    let log = pages.reopened(0, 0);
    let model: Entry[] = [];
    let cut = 0;
    let cutTerm = 0;
    let term = 1;
    for (let step = 0; step < 400; step++) {
      const choice = below(10);
      if (choice < 6) {
        const back = choice === 0 ? below(Math.min(8, model.length + 1)) : 0;
        if (back > 0 || below(4) === 0) term++;
        model = model.slice(0, model.length - back);
        const group = Array.from({ length: 1 + below(6) }, (_, at) =>
          data(cut + model.length + 1 + at, term, below(3) * 200_000),
        );
        log.append(group, pages);
        model.push(...group);
      } else if (choice < 8) {
        log.cutFront(cut + below(model.length + 1), pages);
        model = model.slice(log.cut - cut);
        cutTerm = log.cutTerm;
        cut = log.cut;
      } else if (choice === 8) {
        log.written();
      } else {
        log = pages.reopened(cut, cutTerm);
      }
      expect([log.firstIndex(), log.lastIndex(), log.count]).toEqual([cut + 1, cut + model.length, model.length]);
      if (model.length === 0) continue;
      const from = below(model.length);
      const to = from + 1 + below(model.length - from);
      expect(brief(log.entries(cut + 1 + from, cut + 1 + to, 1e9))).toEqual(brief(model.slice(from, to)));
      expect(log.term(cut + 1 + from)).toBe(model[from]?.term);
      expect(log.bytes).toBe([...pages.held.values()].reduce((sum, value) => sum + value.length, 0));
    }
  });
});
