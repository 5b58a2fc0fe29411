import { InmemBackend } from '@coffer/storage';
import { NEWEST_PROGRAM_KEY, programGuard } from './newest-program.ts';
import type { ProgramVersion } from './version-guard.ts';

let store: InmemBackend;
beforeEach(() => {
  store = new InmemBackend();
});

const put = (text: string): Promise<unknown> =>
  store.write({ epoch: 1, ops: [{ kind: 'put', key: NEWEST_PROGRAM_KEY, value: Buffer.from(text) }] });

/** What a node of this program does that takes the lead. */
async function lead(version: string, format: number): Promise<void> {
  const guard = programGuard({ version, format });
  await guard.admit(store);
  const ops = await guard.firstWrite(store);
  if (ops.length > 0) await store.write({ epoch: 1, ops });
}

async function recorded(): Promise<ProgramVersion> {
  return JSON.parse(Buffer.from((await store.get(NEWEST_PROGRAM_KEY)) ?? []).toString()) as ProgramVersion;
}

it('remembers the newest program that led', async () => {
  for (const [version, newest] of [
    ['0.9.0', '0.9.0'],
    ['0.10.0', '0.10.0'],
    ['0.9.5', '0.10.0'],
    ['0.10.0-rc.1', '0.10.0'],
  ] as const) {
    await lead(version, 1);
    expect(await recorded()).toEqual({ version: newest, format: 1 });
  }
});

it('writes nothing where there is nothing new to say', async () => {
  await lead('0.2.0', 1);
  expect(await programGuard({ version: '0.2.0', format: 1 }).firstWrite(store)).toEqual([]);
  expect(await programGuard({ version: '0.1.0', format: 1 }).firstWrite(store)).toEqual([]);
});

it('goes up together with the format, and not down again', async () => {
  await lead('0.1.0', 1);
  await lead('0.2.0', 2);
  await expect(lead('0.1.0', 1)).rejects.toMatchObject({
    code: 'disk',
    message: expect.stringMatching(
      /last written by Coffer 0\.2\.0 \(format 2\), and this is Coffer 0\.1\.0, .*a downgrade that cannot work\. Start Coffer 0\.2\.0 or later/,
    ) as unknown,
  });
  expect(await recorded()).toEqual({ version: '0.2.0', format: 2 });
  await lead('0.1.9', 2);
  expect(await recorded()).toEqual({ version: '0.2.0', format: 2 });
});

it.each(['', '{', '[]', 'null', '{"version":1,"format":1}', '{"version":"1.0"}'])(
  'tells a damaged record (%j), and leaves it as it is',
  async (text) => {
    await put(text);
    await expect(lead('0.1.0', 1)).rejects.toMatchObject({
      code: 'corrupt',
      message: expect.stringContaining(`the entry ${NEWEST_PROGRAM_KEY} is damaged`) as unknown,
    });
    expect(Buffer.from((await store.get(NEWEST_PROGRAM_KEY)) ?? []).toString()).toBe(text);
  },
);
