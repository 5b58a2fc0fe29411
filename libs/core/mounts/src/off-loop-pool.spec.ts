import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { OffLoopWork } from '@coffer/sdk';
import { OffLoopPool } from './off-loop-pool.ts';

let folder: string;
let module: URL;
/** A function that is on the threads alone. */
const work = <T>(name: string): OffLoopWork<readonly unknown[], T> => ({
  module,
  name,
  run: () => {
    throw new Error('not here');
  },
});
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'coffer-pool-'));
  const path = join(folder, 'work.mjs');
  await writeFile(
    path,
    `import { threadId } from 'node:worker_threads';
     export const add = (a, b) => a + b;
     export const where = () => threadId;
     export const fail = () => { throw new RangeError('too far'); };
     export const hang = () => new Promise(() => {});
     export const exit = () => process.exit(3);
     export const die = () => { setImmediate(() => { throw new Error('the thread died'); }); return new Promise(() => {}); };`,
  );
  module = pathToFileURL(path);
});
afterAll(() => rm(folder, { recursive: true }));

describe('OffLoopPool', () => {
  it('runs functions on threads of its own, and brings their errors', async () => {
    const pool = new OffLoopPool(2);
    expect(await Promise.all([1, 2, 3, 4, 5].map((n) => pool.run(work<number>('add'), [n, 1])))).toEqual([
      2, 3, 4, 5, 6,
    ]);
    expect(await pool.run(work<number>('where'), [])).toBeGreaterThan(0);
    await expect(pool.run(work('fail'), [])).rejects.toThrow('too far');
    await expect(pool.run(work('missing'), [])).rejects.toThrow('exports no function missing');
    await pool.close();
  });

  it('goes on with another thread after one died', async () => {
    const pool = new OffLoopPool(1);
    const [died, after] = await Promise.allSettled([pool.run(work('die'), []), pool.run(work<number>('add'), [1, 1])]);
    expect(died).toMatchObject({ status: 'rejected', reason: { message: 'the thread died' } });
    await expect(pool.run(work('exit'), [])).rejects.toThrow('the thread has ended');
    expect(after).toEqual({ status: 'fulfilled', value: 2 });
    await pool.close();
  });

  it('refuses work once closed, and what waited', async () => {
    const pool = new OffLoopPool(1);
    const running = pool.run(work('hang'), []);
    const ended = expect(running).rejects.toThrow('the thread has ended');
    const waiting = pool.run(work('add'), [1, 1]);
    const refused = expect(waiting).rejects.toThrow('the pool is closed');
    await pool.close();
    await refused;
    await expect(pool.run(work('add'), [1, 1])).rejects.toThrow('the pool is closed');
    await ended;
  });
});
