import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { guardVersion } from './version-guard.ts';

describe('the version of what uses a folder', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'version-'))));
  afterEach(() => rmSync(folder, { recursive: true }));
  const recorded = (): unknown => JSON.parse(readFileSync(join(folder, 'version.json'), 'utf8'));

  it('is remembered, the newest of them', async () => {
    for (const [version, newest] of [
      ['0.9.0', '0.9.0'],
      ['0.10.0', '0.10.0'],
      ['0.9.5', '0.10.0'],
      ['0.10.0-rc.1', '0.10.0'],
      ['1.0', '1.0'],
    ] as const) {
      await guardVersion(folder, { version, format: 1 });
      expect(recorded()).toEqual({ version: newest, format: 1 });
    }
    expect(readdirSync(folder)).toEqual(['version.json']);
  });

  it('may go up together with the format, and not down again', async () => {
    await guardVersion(folder, { version: '0.1.0', format: 1 });
    await guardVersion(folder, { version: '0.2.0', format: 2 });
    await expect(guardVersion(folder, { version: '0.1.0', format: 1 })).rejects.toMatchObject({
      code: 'disk',
      message: expect.stringMatching(
        /last used by Coffer 0\.2\.0 \(format 2\), and this is Coffer 0\.1\.0, .*a downgrade that cannot work\. Start Coffer 0\.2\.0 or later/,
      ) as unknown,
    });
    expect(recorded()).toEqual({ version: '0.2.0', format: 2 });
    await guardVersion(folder, { version: '0.1.9', format: 2 });
  });

  it.each(['', '{', '[]', 'null', '{"version":1,"format":1}', '{"version":"1.0"}'])(
    'is told damaged (%j), and left as it is',
    async (text) => {
      writeFileSync(join(folder, 'version.json'), text);
      await expect(guardVersion(folder, { version: '0.1.0', format: 1 })).rejects.toMatchObject({ code: 'corrupt' });
      expect(readFileSync(join(folder, 'version.json'), 'utf8')).toBe(text);
    },
  );

  it('cannot be remembered where nothing can be written', async () => {
    await expect(guardVersion(join(folder, 'none'), { version: '0.1.0', format: 1 })).rejects.toMatchObject({
      code: 'disk',
    });
  });
});
