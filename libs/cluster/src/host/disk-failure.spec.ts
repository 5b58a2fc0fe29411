import { readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { jest } from '@jest/globals';
import type { AppliedBatch } from '@coffer/storage';
import type { RaftNode } from '../cluster.ts';
import { LevelDisk } from '../disk/level-disk.ts';
import { epochOf, put, read, TestCluster, tls, until } from './test-cluster.fixture.ts';

jest.setTimeout(60_000);

let cluster: TestCluster;

beforeEach(async () => {
  cluster = await TestCluster.create();
});

afterEach(async () => {
  await cluster.destroy();
});

/** The volume is gone: files that are open go on working, no other can be made. */
async function unplug(name: string): Promise<void> {
  await rename(cluster.path(name), `${cluster.path(name)}-away`);
}

async function plugIn(name: string): Promise<void> {
  await rename(`${cluster.path(name)}-away`, cluster.path(name));
}

/** Writes large values until the disk of the node fails; returns the keys that were acknowledged. */
async function writeUntilFailed(writer: RaftNode, failing: RaftNode): Promise<string[]> {
  const acknowledged: string[] = [];
  for (let at = 0; failing.health().disk === 'ok' && at < 400; at++) {
    const key = `f/${at}`;
    const done = await put(writer, key, 'v'.repeat(400_000)).then(
      () => true,
      () => false,
    );
    if (done) acknowledged.push(key);
  }
  expect(failing.health()).toMatchObject({ disk: 'failed', diskError: expect.stringContaining('IO error') });
  return acknowledged;
}

describe('a node alone whose disk fails', () => {
  it('says so, refuses, and takes up where it was when the disk is back', async () => {
    const node = await cluster.bootstrap('a');
    await put(node, 'k', 'before');
    const epoch = epochOf(node);
    await unplug('a');
    const acknowledged = await writeUntilFailed(node, node);
    expect(node.state().role).toBe('standby');
    await expect(node.write({ epoch, ops: [] })).rejects.toMatchObject({ code: 'disk' });
    expect(() => node.readBarrier()).toThrow(expect.objectContaining({ code: 'no-leader' }));
    // It looks again and again, and does not begin anew in an empty folder.
    await until(() => node.health().diskError?.includes('ENOENT') === true);
    expect(() => node.get('k')).toThrow(expect.objectContaining({ code: 'disk' }));
    const seen: AppliedBatch[] = [];
    node.subscribe((batch) => seen.push(batch));
    await plugIn('a');
    await until(() => node.state().role === 'active');
    expect(node.health()).toMatchObject({ disk: 'ok', running: true });
    expect(seen[0]).toMatchObject({ everything: true });
    expect(epochOf(node)).toBeGreaterThan(epoch);
    expect(await read(node, 'k')).toBe('before');
    for (const key of acknowledged) expect(node.get(key)).toBeDefined();
    await put(node, 'k', 'after');
    await cluster.close('a');
    expect(await read(await cluster.restart('a'), 'k')).toBe('after');
  });

  it('does not take part when it was sealed meanwhile, and can be unsealed', async () => {
    const node = await cluster.bootstrap('a');
    await unplug('a');
    await writeUntilFailed(node, node);
    await node.disconnect();
    await plugIn('a');
    await until(() => node.health().disk === 'ok');
    expect(node.health().running).toBe(false);
    await node.connect(tls);
    expect(node.state().role).toBe('active');
  });

  it('can be closed while the disk is away', async () => {
    const node = await cluster.bootstrap('a');
    await unplug('a');
    await writeUntilFailed(node, node);
    await node.close();
    await plugIn('a');
    cluster.nodes.delete('a');
    expect((await cluster.restart('a')).state().role).toBe('active');
  });
});

describe('a cluster of which one disk fails', () => {
  it('goes on under another leader, and takes the failed one back', async () => {
    const [a, b, c] = (await cluster.of('a', 'b', 'c')) as [RaftNode, RaftNode, RaftNode];
    await unplug('a');
    const acknowledged = await writeUntilFailed(a, a);
    const leader = await cluster.elected(b, c);
    await put(leader, 'k', 'meanwhile');
    await plugIn('a');
    await until(() => a.health().disk === 'ok' && a.health().leaderKnown);
    await a.readBarrier();
    expect(await read(a, 'k')).toBe('meanwhile');
    for (const key of acknowledged) expect(a.get(key)).toBeDefined();
    await put(leader, 'k', 'later');
    await a.readBarrier();
    expect(await read(a, 'k')).toBe('later');
  });

  it('does not miss a follower', async () => {
    const [a, b] = (await cluster.of('a', 'b', 'c')) as [RaftNode, RaftNode, RaftNode];
    await unplug('b');
    const acknowledged = await writeUntilFailed(a, b);
    await put(a, 'k', 'meanwhile');
    expect(a.state().role).toBe('active');
    expect(acknowledged.length).toBeGreaterThan(20);
    await expect(Promise.resolve().then(() => b.readBarrier())).rejects.toMatchObject({ code: 'no-leader' });
    await plugIn('b');
    await until(() => b.health().disk === 'ok' && b.health().leaderKnown);
    await b.readBarrier();
    expect(await read(b, 'k')).toBe('meanwhile');
  });
});

describe('damage', () => {
  it('takes a node out that reads it, for good, and the others go on', async () => {
    const [a, b] = (await cluster.of('a', 'b', 'c')) as [RaftNode, RaftNode, RaftNode];
    for (let at = 0; at < 30; at++) await put(a, `k/${at}`, 'v'.repeat(3000));
    await b.readBarrier();
    await cluster.close('b');
    // Once more: what was in the write-ahead log is in tables then.
    await cluster.restart('b');
    await cluster.close('b');
    const folder = cluster.path('b');
    for (const name of (await readdir(folder)).filter((each) => each.endsWith('.ldb'))) {
      const bytes = await readFile(join(folder, name));
      const at = bytes.lastIndexOf('vvvvvvvv');
      if (at < 0) continue;
      bytes[at] = 0;
      await writeFile(join(folder, name), bytes);
    }
    const damaged = await cluster.open('b');
    await until(() => damaged.health().disk === 'damaged');
    expect(damaged.health().diskError).toMatch(/table .*checksum.*empty one: it joins again/);
    await expect(damaged.connect(tls)).rejects.toMatchObject({ code: 'corrupt' });
    await put(a, 'k', 'v');
    expect(a.state().role).toBe('active');
  });

  it('is what a disk shows that forgot what it had synced', async () => {
    const node = await cluster.bootstrap('a');
    await put(node, 'k', 'v');
    const copy = await LevelDisk.open(`${cluster.path('a')}-away`, 'a');
    await copy.adopt({ nodeId: 'a', clusterId: 'test-cluster', peer: 1 });
    await copy.close();
    const path = cluster.path('a');
    await rename(path, `${path}-true`);
    await writeUntilFailed(node, node);
    await rename(`${path}-away`, path);
    await until(() => node.health().diskError?.includes('lost what had been written') === true);
    await expect(node.write({ epoch: 1, ops: [] })).rejects.toMatchObject({ code: 'disk' });
  });
});
