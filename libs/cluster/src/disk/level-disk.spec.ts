import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import type { Entry } from 'raft-ts';
import { LevelDisk } from './level-disk.ts';
import { NO_MEMBERS, type Members } from './members.ts';

let folder: string;
let disk: LevelDisk;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'coffer-disk-'));
  disk = await LevelDisk.open(folder, 'n1');
});

afterEach(async () => {
  await disk.close().catch(() => undefined);
  await rm(folder, { recursive: true, force: true });
});

const value = (text: string): Uint8Array => Buffer.from(text);
const text = (bytes: Uint8Array | undefined): string | undefined =>
  bytes === undefined ? undefined : Buffer.from(bytes).toString();

const lastTerm = 1;
function put(...keys: string[]): void {
  disk.apply(
    disk.applied + 1,
    lastTerm,
    keys.map((key) => ({ kind: 'put', key, value: value(`of ${key}`) })),
  );
}

function entries(from: number, to: number, term = 1): Entry[] {
  return Array.from({ length: to - from + 1 }, (_, at) => ({ kind: 'data', term, index: from + at, data: value('d') }));
}

async function reopen(): Promise<void> {
  await disk.close();
  disk = await LevelDisk.open(folder, 'n1');
}

const members: Members = {
  membership: { voters: [1], votersOutgoing: [], learners: [], learnersNext: [] },
  list: [{ peer: 1, nodeId: 'n1', apiAddress: 'a', clusterAddress: 'c', promote: false }],
  nextPeer: 2,
};

describe('states', () => {
  it('that are made after opening are not cleared with what an earlier attempt left behind', async () => {
    put('a');
    await disk.commit({ entries: entries(1, 1) });
    await disk.close();
    const db = new ClassicLevel<string, Uint8Array>(folder, { valueEncoding: 'view' });
    // so much that clearing it takes longer than what comes next
    const left = Array.from({ length: 20_000 }, (_, at) => ({
      type: 'put' as const,
      key: `s0r1/left-${String(at)}`,
      value: value('x'),
    }));
    await db.batch(left);
    await db.close();
    disk = await LevelDisk.open(folder, 'n1');
    disk.applyRestore(2, 1, { kind: 'begin' });
    disk.applyRestore(3, 1, { kind: 'stage', attempt: 2, sequence: 0, records: [['b', value('of b')]] });
    expect(disk.applyRestore(4, 1, { kind: 'switch', attempt: 2, sequence: 1 })).toBe(true);
    await disk.commit({ entries: entries(2, 4) });
    // Staging awaits what is being cleared.
    await disk.beginStaging();
    await reopen();
    expect(text(disk.get('b'))).toBe('of b');
    expect(disk.get('a')).toBeUndefined();
  });
});

describe('state', () => {
  it('is visible at once, before any write', () => {
    put('a');
    expect(text(disk.get('a'))).toBe('of a');
    disk.apply(2, 1, [{ kind: 'delete', key: 'a' }]);
    expect(disk.get('a')).toBeUndefined();
    expect(disk.behind).toBe(true);
  });

  it('is as of the last commit after a crash, with the applied index that belongs to it', async () => {
    put('a');
    await disk.commit({ entries: entries(1, 3), hardState: { term: 1, vote: 1, commit: 1 } });
    put('b');
    // Closing writes nothing: this is what a crash leaves.
    await reopen();
    expect(text(disk.get('a'))).toBe('of a');
    expect(disk.get('b')).toBeUndefined();
    expect([disk.applied, disk.appliedTerm, disk.log.lastIndex()]).toEqual([1, 1, 3]);
    expect(disk.hardState).toEqual({ term: 1, vote: 1, commit: 1 });
  });

  it('is readable while the batch that takes it along is being written, and what is newer wins', async () => {
    put('a', 'b', 'c');
    const writing = disk.commit({ entries: entries(1, 3) });
    disk.apply(2, 1, [
      { kind: 'put', key: 'a', value: value('newer') },
      { kind: 'delete', key: 'b' },
    ]);
    expect([text(disk.get('a')), disk.get('b'), text(disk.get('c'))]).toEqual(['newer', undefined, 'of c']);
    await writing;
    expect([text(disk.get('a')), disk.get('b')]).toEqual(['newer', undefined]);
    await disk.commit({ entries: [] });
    await reopen();
    expect([text(disk.get('a')), disk.get('b')]).toEqual(['newer', undefined]);
  });

  it('refuses to apply out of order', () => {
    expect(() => disk.apply(2, 1, [])).toThrow('in order');
  });

  it('is refused where the log does not reach to the applied index', async () => {
    put('a');
    await disk.commit({ entries: [] });
    await disk.close();
    await expect(LevelDisk.open(folder, 'n1')).rejects.toMatchObject({ code: 'corrupt' });
  });
});

describe('listing', () => {
  it('sees what no batch has taken along yet, and that is still not durable', async () => {
    put('f/a', 'f/b/c');
    expect(await disk.list('f/', {})).toEqual(['a', 'b/']);
    disk.apply(2, 1, [{ kind: 'delete', key: 'f/a' }]);
    expect(await disk.list('f/', {})).toEqual(['b/']);
    expect(disk.behind).toBe(true);
  });

  it('tells a leaf from a folder of the same name, in the order of bytes', async () => {
    put('f/x', 'f/x-y', 'f/x/1', 'f/x/2', 'f/x0', 'f/ü', 'f/💰', 'f/Z', 'g');
    expect(await disk.list('f/', {})).toEqual(['Z', 'x', 'x-y', 'x/', 'x0', 'ü', '💰']);
    expect(await disk.list('', {})).toEqual(['f/', 'g']);
    expect(await disk.list('none/', {})).toEqual([]);
  });

  it('pages by the name that came last', async () => {
    put('f/a', 'f/b', 'f/b/1', 'f/b/2', 'f/c/1', 'f/d');
    const all = await disk.list('f/', {});
    for (let limit = 1; limit <= all.length; limit++) {
      const paged: string[] = [];
      for (;;) {
        const after = paged.at(-1);
        const page = await disk.list('f/', { limit, ...(after === undefined ? {} : { after }) });
        if (page.length === 0) break;
        expect(page.length).toBeLessThanOrEqual(limit);
        paged.push(...page);
      }
      expect(paged).toEqual(all);
    }
    expect(await disk.list('f/', { limit: 0 })).toEqual([]);
  });

  it('leaps over the descendants of a folder', async () => {
    for (let part = 0; part < 20; part++) {
      put(...Array.from({ length: 1000 }, (_, at) => `f/big/${part}/${at}`));
    }
    put('f/a', 'f/small/1', 'f/z');
    await disk.commit({ entries: entries(1, disk.applied) });
    expect(await disk.list('f/', {})).toEqual(['a', 'big/', 'small/', 'z']);
    expect(await disk.list('f/big/', {})).toHaveLength(20);
  });

  it('goes through folders of many names', async () => {
    const names = Array.from({ length: 5000 }, (_, at) => String(at).padStart(5, '0'));
    put(...names.map((name) => `f/${name}`));
    put(...names.map((name) => `g/${name}/x`));
    expect(await disk.list('f/', {})).toEqual(names);
    expect(await disk.list('g/', {})).toEqual(names.map((name) => `${name}/`));
  });

  it('reads ranges of whole keys', async () => {
    put('t/1', 't/2', 't/3', 'u');
    expect(await disk.keys({ from: 't/2', to: 'u' })).toEqual(['t/2', 't/3']);
    expect(await disk.keys({ from: '', to: 'z', limit: 2 })).toEqual(['t/1', 't/2']);
    expect(await disk.keys({ from: 'x', to: 'z' })).toEqual([]);
  });

  it('is never undone by an older write that comes late', async () => {
    for (let round = 0; round < 50; round++) {
      disk.apply(disk.applied + 1, 1, [{ kind: 'put', key: 'f/k', value: value(`round ${round}`) }]);
      const listing = disk.list('f/', {});
      disk.apply(disk.applied + 1, 1, [{ kind: 'put', key: 'f/k', value: value(`after ${round}`) }]);
      const commit = disk.commit({ entries: entries(disk.log.lastIndex() + 1, disk.applied) });
      await Promise.all([listing, commit]);
      expect(text(disk.get('f/k'))).toBe(`after ${round}`);
    }
  });
});

describe('the folder', () => {
  it('belongs to one process at a time', async () => {
    await expect(LevelDisk.open(folder, 'n1')).rejects.toMatchObject({
      code: 'disk',
      message: 'the storage folder is in use by another process',
    });
  });

  it('belongs to one node', async () => {
    await disk.adopt({ nodeId: 'n1', clusterId: 'c', peer: 1 }, members);
    await disk.close();
    await expect(LevelDisk.open(folder, 'n2')).rejects.toMatchObject({ code: 'disk' });
    disk = await LevelDisk.open(folder, 'n1');
    expect(disk.identity).toEqual({ nodeId: 'n1', clusterId: 'c', peer: 1 });
  });

  it('belongs to one cluster', async () => {
    await disk.adopt({ nodeId: 'n1', clusterId: 'c', peer: 1 }, members);
    await expect(disk.adopt({ nodeId: 'n1', clusterId: 'd', peer: 1 })).rejects.toThrow('one cluster');
  });

  it('takes another number while nothing has arrived', async () => {
    await disk.adopt({ nodeId: 'n1', clusterId: 'c', peer: 2 });
    await disk.commit({ entries: [], hardState: { term: 3, vote: 0, commit: 0 } });
    await disk.adopt({ nodeId: 'n1', clusterId: 'c', peer: 3 });
    await reopen();
    expect(disk.identity?.peer).toBe(3);
    expect(disk.hardState.term).toBe(0);
  });

  it('cannot be a file', async () => {
    const path = join(folder, 'file');
    await writeFile(path, '');
    await expect(LevelDisk.open(path, 'n1')).rejects.toMatchObject({ code: 'disk' });
  });

  it('is refused where a record in it is damaged', async () => {
    await disk.adopt({ nodeId: 'n1', clusterId: 'c', peer: 1 }, members);
    await disk.close();
    const raw = new ClassicLevel<string, Uint8Array>(folder, { valueEncoding: 'view' });
    await raw.put('a', Buffer.from('rubbish'));
    await raw.close();
    await expect(LevelDisk.open(folder, 'n1')).rejects.toMatchObject({ code: 'corrupt' });
  });
});

describe('a cluster of one', () => {
  it('begins behind a first entry that every joiner needs a snapshot for', async () => {
    await disk.adopt({ nodeId: 'n1', clusterId: 'c', peer: 1 }, members);
    await reopen();
    expect([disk.log.firstIndex(), disk.applied, disk.hardState.term]).toEqual([2, 1, 1]);
    expect(disk.members).toEqual(members);
  });
});

describe('replacing the state', () => {
  const snapshot = { index: 50, term: 4, membership: members.membership };

  it('switches over with the log at once', async () => {
    put('old');
    await disk.commit({ entries: entries(1, 9) });
    await disk.beginStaging();
    await disk.stage([['new/a', value('A')]]);
    await disk.stage([['new/b', value('B')]]);
    expect(text(disk.get('old'))).toBe('of old');
    expect(disk.get('new/a')).toBeUndefined();
    put('late');
    await disk.install(snapshot, members, { term: 5, vote: 0, commit: 50 }, () => undefined);
    for (let round = 0; round < 2; round++) {
      expect([disk.get('old'), disk.get('late'), text(disk.get('new/b'))]).toEqual([undefined, undefined, 'B']);
      expect([disk.applied, disk.appliedTerm, disk.log.firstIndex(), disk.log.lastIndex()]).toEqual([50, 4, 51, 50]);
      expect(disk.hardState).toEqual({ term: 5, vote: 0, commit: 50 });
      expect(await disk.list('', {})).toEqual(['new/']);
      await reopen();
    }
  });

  it('shows the new index and the new state in the same turn, and tells in it', async () => {
    put('old');
    await disk.commit({ entries: entries(1, 1) });
    await disk.beginStaging();
    await disk.stage([['new', value('A')]]);
    const seen: unknown[] = [];
    const look = (): unknown => [disk.applied, text(disk.get('old')), text(disk.get('new'))];
    const installing = disk.install(snapshot, members, undefined, () => seen.push('told', look()));
    for (let over = false; !over;) {
      if (seen.length === 0) expect(look()).toEqual([1, 'of old', undefined]);
      over = await Promise.race([installing.then(() => true), new Promise<boolean>((go) => setImmediate(go, false))]);
    }
    expect(seen).toEqual(['told', [50, undefined, 'A']]);
  });

  it('leaves nothing behind when it was cut off in the middle', async () => {
    put('old');
    await disk.commit({ entries: entries(1, 1) });
    await disk.beginStaging();
    await disk.stage([['new', value('A')]]);
    await reopen();
    expect([text(disk.get('old')), disk.get('new')]).toEqual(['of old', undefined]);
    await disk.beginStaging();
    await disk.stage([['other', value('B')]]);
    await disk.install(snapshot, NO_MEMBERS, undefined, () => undefined);
    expect(await disk.keys({ from: '', to: 'zzz' })).toEqual(['other']);
  });

  it('gives the space of a former attempt back at the start', async () => {
    await disk.beginStaging();
    await disk.stage([['leftover', value('A')]]);
    await reopen();
    await disk.close();
    const raw = new ClassicLevel<string, Uint8Array>(folder, { valueEncoding: 'view' });
    const keys = await raw.keys().all();
    await raw.close();
    expect(keys.filter((key) => key.includes('leftover'))).toEqual([]);
  });

  it('can be done again and again', async () => {
    for (let round = 1; round <= 5; round++) {
      await disk.beginStaging();
      await disk.stage([[`round/${round}`, value('A')]]);
      await disk.install({ ...snapshot, index: 50 * round }, members, undefined, () => undefined);
      expect(await disk.keys({ from: '', to: 'zzz' })).toEqual([`round/${round}`]);
    }
  });
});

describe('a view', () => {
  it('stays as it was while writes go on', async () => {
    put('a', 'b');
    await disk.commit({ entries: entries(1, 2) });
    const view = disk.view();
    disk.apply(2, 1, [{ kind: 'delete', key: 'a' }]);
    await disk.commit({ entries: [] });
    const keys: string[] = [];
    for await (const page of view.pages()) keys.push(...page.map(([key]) => key));
    expect(keys).toEqual(['a', 'b']);
    expect(view.meta.applied).toBe(1);
    await view.close();
  });
});

describe('cutting the log', () => {
  it('survives a restart', async () => {
    await disk.commit({ entries: entries(1, 4) });
    await disk.commit({ entries: entries(5, 9) });
    for (let index = 1; index <= 6; index++) put(`k${index}`);
    await disk.commit({ entries: [], cutUpTo: 6 });
    await reopen();
    expect([disk.log.firstIndex(), disk.log.lastIndex(), disk.log.term(4)]).toEqual([5, 9, 1]);
  });

  it('spares what is not applied', async () => {
    await disk.commit({ entries: entries(1, 4) });
    await expect(disk.commit({ entries: [], cutUpTo: 2 })).rejects.toThrow('only applied');
  });
});
