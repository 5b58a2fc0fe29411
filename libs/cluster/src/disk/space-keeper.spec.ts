import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jest } from '@jest/globals';
import { systemRandom } from '@coffer/kernel';
import type { WriteOp } from '@coffer/storage';
import { LevelDisk } from './level-disk.ts';

jest.setTimeout(60_000);

let folder: string;
let disk: LevelDisk;
let nowMs = 0;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'coffer-space-'));
  disk = await LevelDisk.open(folder, 'n1');
});

afterEach(async () => {
  await disk.close();
  await rm(folder, { recursive: true, force: true });
});

async function bytesOnDisk(): Promise<number> {
  let bytes = 0;
  for (const name of await readdir(folder)) {
    bytes += await stat(join(folder, name)).then(
      ({ size }) => size,
      () => 0,
    );
  }
  return bytes;
}

async function write(ops: readonly WriteOp[]): Promise<void> {
  disk.apply(disk.applied + 1, 1, ops);
  const entry = { kind: 'data', index: disk.applied, term: 1, data: new Uint8Array(0) } as const;
  await disk.commit({ entries: [entry], cutUpTo: disk.applied - 1 });
}

/** Time passes until the disk takes no more than so many bytes; the test's own timeout ends it. */
async function shrinks(bytesMax: number): Promise<void> {
  while ((await bytesOnDisk()) > bytesMax) {
    nowMs += 100;
    disk.tend(nowMs);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

const BATCH = 500;

async function fill(prefix: string, batches: number): Promise<string[]> {
  const keys: string[] = [];
  for (let batch = 0; batch < batches; batch++) {
    const ops = Array.from({ length: BATCH }, (): WriteOp => {
      const key = `${prefix}/${systemRandom.base62(22)}`;
      keys.push(key);
      return { kind: 'put', key, value: systemRandom.bytes(300) };
    });
    await write(ops);
  }
  return keys;
}

async function empty(keys: readonly string[]): Promise<void> {
  for (let at = 0; at < keys.length; at += BATCH) {
    await write(keys.slice(at, at + BATCH).map((key) => ({ kind: 'delete', key })));
  }
}

it('gives back what short-lived keys took, while the disk is open, and keeps what lives', async () => {
  const live = await fill('logical/one', 20);
  await empty(await fill('sys/token/id', 80));
  expect(await bytesOnDisk()).toBeGreaterThan(12 << 20);
  // 10,000 records of about 350 bytes live.
  await shrinks(2 * live.length * 350);
  for (const key of live) expect(disk.get(key)).toBeDefined();
  await disk.close();
  disk = await LevelDisk.open(folder, 'n1');
  expect(await disk.keys({ from: '', to: '~' })).toHaveLength(live.length);
});

it('gives back a snapshot that was never finished', async () => {
  await fill('logical/one', 2);
  for (let part = 0; part < 30; part++) {
    await disk.stage(Array.from({ length: 200 }, (_, at) => [`k/${part}/${at}`, systemRandom.bytes(3000)] as const));
  }
  expect(await bytesOnDisk()).toBeGreaterThan(12 << 20);
  await disk.beginStaging();
  await shrinks(2 << 20);
});
