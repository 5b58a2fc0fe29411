import type { AppliedBatch } from '@coffer/storage';
import type { RaftNode } from '../cluster.ts';
import { LevelDisk } from '../disk/level-disk.ts';
import { NO_MEMBERS } from '../disk/members.ts';
import { encodeSnapshot, type SnapshotRecord } from '../disk/snapshot.codec.ts';
import { replayLocally } from './replay.ts';
import { epochOf, impatientClock, put, read, TestCluster, until } from './test-cluster.fixture.ts';

import { jest } from '@jest/globals';

jest.setTimeout(30_000);

let cluster: TestCluster;

beforeEach(async () => {
  cluster = await TestCluster.create();
});

afterEach(async () => {
  await cluster.destroy();
});

type Contents = () => AsyncIterable<Uint8Array>;

const inPieces = (pieces: readonly Uint8Array[]): Contents =>
  async function* () {
    yield* pieces;
  };

async function save(node: RaftNode): Promise<Uint8Array[]> {
  const snapshot = await node.snapshot();
  const pieces: Uint8Array[] = [];
  for await (const piece of snapshot.contents()) pieces.push(piece);
  await snapshot.close();
  return pieces;
}

/** A snapshot of these records that nobody ever had. */
async function made(...pages: readonly (readonly SnapshotRecord[])[]): Promise<Uint8Array[]> {
  const header = { clusterId: 'elsewhere', index: 9, term: 2, leaderTerm: 2, members: NO_MEMBERS };
  const pieces: Uint8Array[] = [];
  async function* paged(): AsyncGenerator<readonly SnapshotRecord[]> {
    yield* pages;
  }
  for await (const piece of encodeSnapshot(header, paged())) pieces.push(piece);
  return pieces;
}

const record = (key: string, value: string): SnapshotRecord => [key, Buffer.from(value)];

async function stateOf(node: RaftNode): Promise<Record<string, string | undefined>> {
  await node.readBarrier();
  const state: Record<string, string | undefined> = {};
  for (const key of await node.keys({ from: 'k/', to: 'k0' })) state[key] = await read(node, key);
  return state;
}

describe('a restore', () => {
  it('puts every node back to the snapshot, tells everybody, and lasts', async () => {
    const nodes = await cluster.of('a', 'b', 'c');
    for (let at = 0; at < 50; at++) await put(cluster.leader(), `k/${String(at)}`, 'before'.repeat(5000));
    const saved = await save(cluster.leader());
    const before = await stateOf(cluster.leader());
    await put(cluster.leader(), 'k/3', 'changed');
    await put(cluster.leader(), 'k/new', 'added');
    await cluster.leader().write({ epoch: epochOf(cluster.leader()), ops: [{ kind: 'delete', key: 'k/5' }] });
    const told: AppliedBatch[][] = nodes.map(() => []);
    nodes.forEach((node, at) => node.subscribe((batch) => told[at]?.push(batch)));
    const members = cluster.leader().peers();
    const { index } = await cluster.leader().restore(inPieces(saved), ['k/5']);
    for (const [at, node] of nodes.entries()) {
      expect(await stateOf(node)).toEqual(before);
      expect(told[at]?.at(-1)).toEqual({ index, keys: [], everything: true });
    }
    expect(cluster.leader().peers()).toEqual(members);
    await put(cluster.leader(), 'k/after', 'x');
    for (const name of ['a', 'b', 'c']) await cluster.close(name);
    const again = await Promise.all(['a', 'b', 'c'].map((name) => cluster.restart(name)));
    await cluster.elected(...again);
    for (const node of again) expect(await stateOf(node)).toEqual({ ...before, 'k/after': 'x' });
  });

  it('lets nothing through that was judged on the state before it', async () => {
    await cluster.of('a', 'b', 'c');
    const leader = cluster.leader();
    const saved = await made([record('k/a', 'restored')]);
    let done = false;
    let refused = 0;
    const acknowledged: number[] = [];
    const writes: Promise<void>[] = [];
    const writer = (async () => {
      while (!done) {
        const write = put(leader, 'k/late', 'x').then(
          ({ index }) => void acknowledged.push(index),
          (error: { readonly code: string }) => {
            expect(error.code).toBe('epoch-lost');
            refused++;
          },
        );
        writes.push(write);
        await new Promise((resolve) => setImmediate(resolve));
      }
      await Promise.all(writes);
    })();
    // Looked at in the very turn in which it takes effect: nothing from before has come after it.
    const seen: (string | undefined)[] = [];
    leader.subscribe((batch) => {
      if (batch.everything) seen.push(leader.get('k/late')?.toString());
    });
    await until(() => acknowledged.length > 20);
    const { index } = await leader.restore(inPieces(saved), []);
    done = true;
    await writer;
    expect(seen).toEqual([undefined]);
    expect(refused).toBeGreaterThan(0);
    expect(acknowledged.some((at) => at < index)).toBe(true);
    expect(await read(leader, 'k/a')).toBe('restored');
  });

  it('is followed by a node that gets a snapshot in the middle of it', async () => {
    await cluster.of('a');
    await put(cluster.leader(), 'k/old', 'x');
    const pages = Array.from({ length: 20 }, (_, page) => [
      record(`k/${String(page).padStart(3, '0')}`, 'restored'.repeat(20_000)),
    ]);
    const saved = await made(...pages);
    let reads = 0;
    let open: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (open = resolve));
    const contents: Contents = async function* () {
      reads++;
      const halves = reads === 2;
      for (const [at, piece] of saved.entries()) {
        if (halves && at === 12) await gate;
        yield piece;
      }
    };
    const restored = cluster.leader().restore(contents, []);
    await until(() => reads === 2);
    await put(cluster.leader(), 'k/meanwhile', 'x');
    const late = await cluster.join('b');
    expect(late.status().snapshotsInstalled).toBe(1);
    expect(await stateOf(late)).toEqual({ 'k/old': 'x', 'k/meanwhile': 'x' });
    open();
    await restored;
    const expected = Object.fromEntries(pages.map(([page]) => [page?.[0], page?.[1].toString()]));
    expect(await stateOf(cluster.leader())).toEqual(expected);
    expect(await stateOf(late)).toEqual(expected);
    await cluster.close('b');
    expect(await stateOf(await cluster.restart('b'))).toEqual(expected);
  });

  it('comes to nothing where the lead is lost in between, and can be tried again', async () => {
    cluster.clock = impatientClock;
    const [a, b, c] = (await cluster.of('a', 'b', 'c')) as [RaftNode, RaftNode, RaftNode];
    await put(a, 'k/old', 'x');
    const saved = await made([record('k/a', 'restored'.repeat(40_000))], [record('k/b', 'y'.repeat(300_000))]);
    let reads = 0;
    const contents: Contents = async function* () {
      reads++;
      for (const [at, piece] of saved.entries()) {
        if (reads === 2 && at === 3) cluster.network.isolate('a');
        yield piece;
      }
    };
    await expect(a.restore(contents, [])).rejects.toMatchObject({
      code: expect.stringMatching(/in-doubt|epoch-lost|not-active/),
    });
    const next = await cluster.elected(b, c);
    cluster.network.heal();
    expect(await stateOf(next)).toEqual({ 'k/old': 'x' });
    await next.restore(inPieces(saved), []);
    for (const node of [b, c]) expect(Object.keys(await stateOf(node))).toEqual(['k/a', 'k/b']);
    await until(() => a.appliedIndex() === next.appliedIndex());
    expect(Object.keys(await stateOf(a))).toEqual(['k/a', 'k/b']);
  });

  it('keeps what is to stay, from the moment in which the rest takes its place', async () => {
    const [, standby] = (await cluster.of('a', 'b')) as [RaftNode, RaftNode];
    const leader = cluster.leader();
    const saved = await made([record('k/a', 'restored'), record('k/kept', 'x'.repeat(300_000))]);
    const seen: (string | undefined)[] = [];
    for (const node of [leader, standby])
      node.subscribe((batch) => {
        if (batch.everything) seen.push(node.get('k/kept')?.toString());
      });
    await leader.restore(inPieces(saved), [], [record('k/kept', 'of now'), record('k/new', 'of now, too')]);
    const expected = { 'k/a': 'restored', 'k/kept': 'of now', 'k/new': 'of now, too' };
    expect(await stateOf(leader)).toEqual(expected);
    expect(await stateOf(standby)).toEqual(expected);
    expect(seen).toEqual(['of now', 'of now']);
  });

  it('is one at a time', async () => {
    const node = await cluster.bootstrap('a');
    const saved = await made([record('k/a', 'x')]);
    const first = node.restore(inPieces(saved), []);
    await expect(node.restore(inPieces(saved), [])).rejects.toMatchObject({ code: 'conflict' });
    await first;
    expect(await read(node, 'k/a')).toBe('x');
  });

  it('is the active node’s alone', async () => {
    const [, standby] = (await cluster.of('a', 'b')) as [RaftNode, RaftNode];
    const saved = await made([record('k/a', 'x')]);
    await expect(standby.restore(inPieces(saved), [])).rejects.toMatchObject({ code: 'not-active' });
  });
});

describe('what is no good', () => {
  const whole = Buffer.concat([]);
  const cases: readonly [string, () => Promise<readonly Uint8Array[]>, string, string][] = [
    ['nothing at all', () => Promise.resolve([whole]), 'corrupt', 'cut short'],
    ['another program’s bytes', () => Promise.resolve([Buffer.alloc(4096, 7)]), 'corrupt', 'no snapshot'],
    [
      'a later form',
      async () => [Buffer.from('coffer-snapshot/2\n'), ...(await made([record('k', 'v')])).slice(1)],
      'corrupt',
      'does not know',
    ],
    ['one that is cut short', async () => (await made([record('k', 'v')])).slice(0, -1), 'corrupt', 'cut short'],
    [
      'one with a bit turned over',
      async () => {
        const bytes = Buffer.concat(await made([record('k', 'value')]));
        bytes[bytes.indexOf('value')] = 0;
        return [bytes];
      },
      'corrupt',
      'checksum',
    ],
    ['a key twice', () => made([record('k', 'v'), record('k', 'w')]), 'corrupt', 'repeated'],
    ['keys out of order', () => made([record('l', 'v')], [record('k', 'w')]), 'corrupt', 'out of order'],
    ['a key that is too long', () => made([record('k'.repeat(9000), 'v')]), 'corrupt', 'too long'],
    ['a value that is too large', () => made([record('k', 'v'.repeat(2 << 20))]), 'too-large', 'max_entry_size'],
    ['one without what makes a cluster', () => made([record('j', 'v')]), 'corrupt', 'initialised'],
  ];
  it.each(cases)('%s is refused, and nothing changes', async (_, contents, code, text) => {
    const node = await cluster.bootstrap('a');
    const { index } = await put(node, 'k/old', 'x');
    await expect(node.restore(inPieces(await contents()), ['k'])).rejects.toMatchObject({
      code,
      message: expect.stringContaining(text),
    });
    expect(await stateOf(node)).toEqual({ 'k/old': 'x' });
    expect(node.status().logLastIndex).toBe(index);
  });
});

describe('the disk', () => {
  it('comes back from a crash after any step with all of the former state or all of the new one', async () => {
    const steps = [
      { kind: 'begin' },
      { kind: 'stage', attempt: 3, sequence: 0, records: [record('k/a', 'new')] },
      { kind: 'stage', attempt: 3, sequence: 1, records: [record('k/b', 'new')] },
      // Of another attempt, and out of order: neither counts.
      { kind: 'stage', attempt: 2, sequence: 2, records: [record('k/c', 'new')] },
      { kind: 'stage', attempt: 3, sequence: 7, records: [record('k/c', 'new')] },
      { kind: 'switch', attempt: 3, sequence: 1 },
      { kind: 'switch', attempt: 3, sequence: 2 },
      { kind: 'switch', attempt: 3, sequence: 2 },
    ] as const;
    const path = cluster.path('disk');
    const member = { peer: 1, nodeId: 'n', apiAddress: '', clusterAddress: '', promote: false };
    const membership = { voters: [1], votersOutgoing: [], learners: [], learnersNext: [] };
    let disk = await LevelDisk.open(path, 'n');
    await disk.adopt({ nodeId: 'n', clusterId: 'c', peer: 1 }, { membership, list: [member], nextPeer: 2 });
    disk.apply(2, 1, [{ kind: 'put', key: 'k/old', value: Buffer.from('x') }]);
    await disk.commit({ entries: [{ kind: 'empty', index: 2, term: 1 }] });
    for (const [at, step] of steps.entries()) {
      const index = 3 + at;
      disk.applyRestore(index, 1, step);
      await disk.commit({ entries: [{ kind: 'empty', index, term: 1 }] });
      // What iterators see is laid where the state will be.
      const expected = at < 6 ? ['k/old'] : ['k/a', 'k/b'];
      expect(await disk.keys({ from: 'k', to: 'l' })).toEqual(expected);
      await disk.close();
      disk = await LevelDisk.open(path, 'n');
      await replayLocally(disk);
      expect(await disk.keys({ from: 'k', to: 'l' })).toEqual(expected);
      expect(disk.restore).toEqual(at < 6 ? { attempt: 3, sequence: Math.min(at, 2) } : undefined);
    }
    await disk.close();
  });

  it('forgets an attempt that was given up, and does not mix it with the next', async () => {
    const path = cluster.path('disk');
    const disk = await LevelDisk.open(path, 'n');
    await disk.adopt({ nodeId: 'n', clusterId: 'c', peer: 1 }, NO_MEMBERS);
    let index = 1;
    const apply = (step: Parameters<LevelDisk['applyRestore']>[2]): boolean => disk.applyRestore(++index, 1, step);
    apply({ kind: 'begin' });
    apply({ kind: 'stage', attempt: 2, sequence: 0, records: [record('k/first', 'x')] });
    await disk.commit({ entries: [2, 3].map((at) => ({ kind: 'empty', index: at, term: 1 }) as const) });
    apply({ kind: 'begin' });
    apply({ kind: 'stage', attempt: 4, sequence: 0, records: [record('k/second', 'x')] });
    apply({ kind: 'abandon', attempt: 2 });
    expect(apply({ kind: 'switch', attempt: 4, sequence: 1 })).toBe(true);
    expect(disk.get('k/second')?.toString()).toBe('x');
    expect(await disk.keys({ from: 'k', to: 'l' })).toEqual(['k/second']);
    await disk.commit({ entries: [4, 5, 6, 7].map((at) => ({ kind: 'empty', index: at, term: 1 }) as const) });
    expect(disk.root).toBe(4);
    await disk.close();
  });
});
