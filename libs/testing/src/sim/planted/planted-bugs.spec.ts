import { readFile } from 'node:fs/promises';
import { createRaft } from 'raft-ts';
import { alteredCore } from './altered-core.ts';
import { hunt } from './hunt.ts';
import { PLANTED_BUGS } from './index.ts';

/** Should the known schedule find a bug no more, each must be found within so many others. */
const SEEDS_MAX = 2000;

describe('the simulator finds', () => {
  for (const bug of PLANTED_BUGS) {
    it(`that ${bug.name}`, async () => {
      expect(await hunt(bug, createRaft, SEEDS_MAX)).toBeDefined();
    }, 300_000);
  }
});

describe('an altered core', () => {
  it('is not made where the sources do not hold what is to be replaced', async () => {
    const alteration = { file: 'quorum.ts', find: 'no such text', replace: '' };
    await expect(alteredCore([alteration])).rejects.toThrow('quorum.ts holds 0 times: no such text');
    await expect(alteredCore([{ ...alteration, file: 'no-such-file.ts' }])).rejects.toThrow('no file no-such-file.ts');
  });

  it('says where each mistake was made, and so does the documentation', async () => {
    const page = await readFile(new URL('../../../../../docs/raft-history.md', import.meta.url), 'utf8');
    for (const { name } of PLANTED_BUGS) expect(page).toContain(`| ${name} `);
    for (const { name, sources } of PLANTED_BUGS) {
      expect([name, sources.length > 0 && sources.every((source) => source.length > 0)]).toEqual([name, true]);
    }
    expect(new Set(PLANTED_BUGS.map(({ name }) => name)).size).toBe(PLANTED_BUGS.length);
  });
});
