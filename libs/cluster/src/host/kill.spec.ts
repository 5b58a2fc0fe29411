import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LevelDisk } from '../disk/level-disk.ts';
import { replayLocally } from './replay.ts';

import { jest } from '@jest/globals';

jest.setTimeout(60_000);

const ROUNDS = 15;
const RESTORE_ROUNDS = 8;
const writing = 'kill-node.fixture.ts';
const restoring = 'restore-node.fixture.ts';

/** Runs the process and kills it some time after its first acknowledged write; returns what it acknowledged. */
function runAndKill(fixture: string, path: string, round: number): Promise<string[]> {
  const script = join(import.meta.dirname, fixture);
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--conditions=@coffer/source', '--no-warnings', script, path, `${round}`]);
    let printed = '';
    let complaints = '';
    child.stdout.on('data', (data: Buffer) => {
      if (printed === '') setTimeout(() => child.kill('SIGKILL'), (round * 37) % 150);
      printed += data.toString();
    });
    child.stderr.on('data', (data: Buffer) => (complaints += data.toString()));
    child.on('close', () => {
      if (complaints === '')
        resolve(
          printed
            .slice(0, printed.lastIndexOf('\n') + 1)
            .split('\n')
            .slice(0, -1),
        );
      else reject(new Error(complaints));
    });
  });
}

it('loses nothing that was acknowledged, whenever the process is killed', async () => {
  const path = await mkdtemp(join(tmpdir(), 'coffer-kill-'));
  const acknowledged: string[] = [];
  try {
    for (let round = 0; round < ROUNDS; round++) {
      const added = await runAndKill(writing, path, round);
      expect(added.length).toBeGreaterThan(0);
      acknowledged.push(...added);
      // What the sealed node would read, with no help from raft.
      const disk = await LevelDisk.open(path, 'killed');
      await replayLocally(disk);
      for (const key of acknowledged) expect(disk.get(`left/${key}`)).toBeDefined();
      const left = await disk.keys({ from: 'left/', to: 'left0' });
      const right = await disk.keys({ from: 'right/', to: 'right0' });
      expect(right.map((key) => key.slice(6))).toEqual(left.map((key) => key.slice(5)));
      expect(disk.log.count).toBeLessThan(700);
      await disk.close();
    }
  } finally {
    await rm(path, { recursive: true, force: true });
  }
});

it('has the whole of one state or of the other, whenever the process is killed while it restores', async () => {
  const path = await mkdtemp(join(tmpdir(), 'coffer-kill-'));
  let last = '';
  try {
    for (let round = 0; round < RESTORE_ROUNDS; round++) {
      last = (await runAndKill(restoring, path, round)).at(-1) ?? last;
      const disk = await LevelDisk.open(path, 'killed');
      await replayLocally(disk);
      const keys = await disk.keys({ from: 'k/', to: 'k0' });
      expect(keys).toHaveLength(400);
      const value = disk.get(keys[0] as string)?.toString() ?? '';
      for (const key of keys) expect(disk.get(key)?.toString()).toBe(value);
      const [, , number] = /^<(\d+):(\d+)>/.exec(last) ?? [];
      // The last one acknowledged, or the one after it, which was not acknowledged any more.
      const next = `<${String(round)}:${String(Number(number) + 1)}>`;
      expect([last, next].some((text) => value.startsWith(text))).toBe(true);
      await disk.close();
    }
  } finally {
    await rm(path, { recursive: true, force: true });
  }
});
