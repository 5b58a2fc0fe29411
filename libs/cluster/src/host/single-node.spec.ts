import type { HaState, WriteOp } from '@coffer/storage';
import { epochOf, put, read, TestCluster, until } from './test-cluster.fixture.ts';

let cluster: TestCluster;

beforeEach(async () => {
  cluster = await TestCluster.create();
});

afterEach(async () => {
  await cluster.destroy();
});

describe('a cluster of one node', () => {
  it('is active at once and holds what is written, also after a restart', async () => {
    let node = await cluster.bootstrap('a');
    expect(node.clusterId()).toBe('test-cluster');
    await put(node, 'k/1', 'one');
    expect(await read(node, 'k/1')).toBe('one');
    await cluster.close('a');
    node = await cluster.open('a');
    expect([await read(node, 'k/1'), node.clusterId(), node.state()]).toEqual([
      'one',
      'test-cluster',
      { role: 'standby' },
    ]);
    await cluster.close('a');
    node = await cluster.restart('a');
    expect([await read(node, 'k/1'), node.state().role]).toEqual(['one', 'active']);
    await put(node, 'k/2', 'two');
    expect(await node.list('k/')).toEqual(['1', '2']);
    expect(await node.keys({ from: 'k/', to: 'k0' })).toEqual(['k/1', 'k/2']);
  });

  it('takes a batch as a whole, in order', async () => {
    const node = await cluster.bootstrap('a');
    const ops: WriteOp[] = [
      { kind: 'put', key: 'x', value: Buffer.from('1') },
      { kind: 'put', key: 'y', value: Buffer.from('1') },
      { kind: 'delete', key: 'x' },
    ];
    const seen: unknown[] = [];
    const end = node.subscribe((batch) =>
      seen.push([batch.keys, batch.index === node.appliedIndex(), node.get('y') !== undefined]),
    );
    const { index } = await node.write({ epoch: epochOf(node), ops });
    expect([await read(node, 'x'), await read(node, 'y'), index]).toEqual([undefined, '1', node.appliedIndex()]);
    end();
    await put(node, 'z', '1');
    expect(seen).toEqual([[['x', 'y', 'x'], true, true]]);
  });

  it('keeps what it was given, not the buffer it was given in', async () => {
    const node = await cluster.bootstrap('a');
    const value = Buffer.from('secret');
    await node.write({ epoch: epochOf(node), ops: [{ kind: 'put', key: 'k', value }] });
    value.fill(0);
    expect(await read(node, 'k')).toBe('secret');
  });

  it('answers a read barrier at once', async () => {
    const node = await cluster.bootstrap('a');
    expect(node.readBarrier()).toBeUndefined();
  });

  it('commits in groups: many writes, few syncs', async () => {
    const node = await cluster.bootstrap('a');
    const before = node.status();
    const results = await Promise.all(Array.from({ length: 500 }, (_, at) => put(node, `k/${at}`, 'v')));
    const after = node.status();
    expect(after.commitEntries - before.commitEntries).toBe(500);
    expect(after.commitGroups - before.commitGroups).toBeLessThan(20);
    expect(new Set(results.map(({ index }) => index)).size).toBe(500);
  });

  it('refuses what it must not write', async () => {
    const node = await cluster.bootstrap('a');
    const epoch = epochOf(node);
    const op = (key: string, bytes = 1): WriteOp => ({ kind: 'put', key, value: new Uint8Array(bytes) });
    await expect(node.write({ epoch: epoch - 1, ops: [op('k')] })).rejects.toMatchObject({ code: 'epoch-lost' });
    await expect(node.write({ epoch: epoch + 1, ops: [op('k')] })).rejects.toMatchObject({ code: 'epoch-lost' });
    await expect(node.write({ epoch, ops: [op('k', 2 << 20)] })).rejects.toMatchObject({ code: 'too-large' });
    await expect(node.write({ epoch, ops: [op('ü'.repeat(4097))] })).rejects.toMatchObject({ code: 'too-large' });
    await expect(node.write({ epoch, ops: [op('\ud800')] })).rejects.toMatchObject({ code: 'conflict' });
    expect(await node.list('')).toEqual([]);
    expect(await node.write({ epoch, ops: [op('ü'.repeat(4096))] })).toBeDefined();
  });

  it('tells its roles in order, and takes no part while sealed', async () => {
    const node = await cluster.open('a');
    const states: HaState['role'][] = [];
    node.onChange((state) => states.push(state.role));
    await node.bootstrap('c');
    const epoch = epochOf(node);
    await node.disconnect();
    expect(states).toEqual(['active', 'standby']);
    await expect(node.write({ epoch, ops: [] })).rejects.toMatchObject({ code: 'not-active' });
    expect(() => node.readBarrier()).toThrow(expect.objectContaining({ code: 'no-leader' }));
    expect(node.health()).toMatchObject({ disk: 'ok', running: false });
  });

  it('has a later epoch after each start', async () => {
    let node = await cluster.bootstrap('a');
    const first = epochOf(node);
    await cluster.close('a');
    node = await cluster.restart('a');
    expect(epochOf(node)).toBeGreaterThan(first);
    await expect(node.write({ epoch: first, ops: [] })).rejects.toMatchObject({ code: 'epoch-lost' });
  });

  it('steps down to nobody', async () => {
    const node = await cluster.bootstrap('a');
    await node.stepDown();
    expect(node.state().role).toBe('active');
  });

  it('is not begun twice', async () => {
    const node = await cluster.bootstrap('a');
    await expect(node.bootstrap('other')).rejects.toMatchObject({ code: 'conflict' });
  });

  it('is closed for good', async () => {
    const node = await cluster.bootstrap('a');
    await node.close();
    expect(() => node.get('k')).toThrow(expect.objectContaining({ code: 'closed' }));
  });

  it('sees in a snapshot everything that was written before', async () => {
    const node = await cluster.bootstrap('a');
    const { index } = await put(node, 'secret-key', 'v');
    const snapshot = await node.snapshot();
    const parts: Uint8Array[] = [];
    for await (const part of snapshot.contents()) parts.push(part);
    await snapshot.close();
    expect(snapshot.index).toBe(index);
    expect(Buffer.concat(parts).includes('secret-key')).toBe(true);
  });

  it('keeps its log within bounds over 50 starts, each with fewer writes than a cut wants', async () => {
    const overrides = { logEntriesMax: 100, logBytesMax: 1 << 20 };
    await cluster.bootstrap('a');
    let largest = 0;
    for (let start = 0; start < 50; start++) {
      await cluster.close('a');
      const node = await cluster.restart('a', overrides);
      for (let at = 0; at < 11; at++) await put(node, `k/${start}/${at}`, 'v'.repeat(3000));
      const { logFirstIndex, logLastIndex, logBytes } = node.status();
      largest = Math.max(largest, logLastIndex - logFirstIndex + 1);
      // A cut goes with a batch: the last of them may not have had one.
      expect(logLastIndex - logFirstIndex).toBeLessThan(100 + 12);
      expect(logBytes).toBeLessThan(1.1 * (1 << 20));
      expect(await read(node, 'k/0/0')).toBeDefined();
    }
    expect(largest).toBeGreaterThan(80);
  }, 60_000);

  it('keeps its log within bounds of bytes', async () => {
    await cluster.bootstrap('a');
    await cluster.close('a');
    const node = await cluster.restart('a', { logBytesMax: 1 << 20 });
    for (let at = 0; at < 40; at++) await put(node, `k/${at}`, 'v'.repeat(100_000));
    await until(() => node.status().logBytes <= 1 << 20);
    expect(await node.list('k/')).toHaveLength(40);
  });
});
