import { chmod, mkdtemp, readFile, readdir, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog } from '@coffer/kernel';
import { FileDevice, parseFileOptions } from './file-device.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'coffer-audit-'));
});
afterEach(() => rm(folder, { recursive: true }));

const at = (name: string): string => join(folder, name);
const linesOf = async (name: string): Promise<readonly string[]> =>
  (await readFile(at(name), 'utf8')).split('\n').slice(0, -1);
const modeOf = async (name: string): Promise<number> => (await stat(at(name))).mode & 0o7777;

describe('parseFileOptions', () => {
  it('takes absolute paths, under both names, stdout and discard', () => {
    expect(parseFileOptions({ file_path: '/var/log/a.log' })).toEqual({ path: '/var/log/a.log', mode: 0o600 });
    expect(parseFileOptions({ path: 'stdout' })).toEqual({ path: 'stdout', mode: 0o600 });
    expect(parseFileOptions({ file_path: 'discard', mode: '0640' }).mode).toBe(0o640);
    expect(parseFileOptions({ file_path: '/a', mode: '0' }).mode).toBe(0);
  });

  it.each([{}, { file_path: '' }, { file_path: 'audit.log' }, { file_path: '../audit.log' }, { file_path: './x' }])(
    'refuses the path of %j',
    (options) => {
      expect(() => parseFileOptions(options)).toThrow('file_path');
    },
  );

  it.each(['0700', '755', '0610', '0601', '4600', '2600', '1600', '0x1ff', '888', '-1', '', 'rw', '0600 '])(
    'refuses the mode %j',
    (mode) => {
      expect(() => parseFileOptions({ file_path: '/a', mode })).toThrow('mode');
    },
  );
});

describe('FileDevice', () => {
  it('appends lines in their order, many at once', async () => {
    await writeFile(at('a.log'), '{"before":1}\n');
    const device = await FileDevice.open({ path: at('a.log'), mode: 0o600 }, silentLog);
    const lines = Array.from({ length: 500 }, (_, index) => `{"line":${String(index)}}`);
    await Promise.all(lines.map((line) => device.write(line)));
    expect(await linesOf('a.log')).toEqual(['{"before":1}', ...lines]);
    await device.close();
  });

  it.each([
    ['a key', '-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA==\n-----END PRIVATE KEY-----\n'],
    ['a script', '#!/bin/sh\necho {"a":1}\n'],
    ['a table of cron', '* * * * * root true {"a":1}\n'],
    ['the manifest of a store', 'MANIFEST-000005\n'],
    ['bytes', '\u0000\u0001{"'],
    ['an authorized key', 'ssh-ed25519 AAAA {"a":1}\n'],
  ])('neither appends to a file that holds %s, nor changes its mode', async (_, content) => {
    await writeFile(at('other'), content);
    await chmod(at('other'), 0o644);
    await expect(FileDevice.open({ path: at('other'), mode: 0o600 }, silentLog)).rejects.toThrow('something else');
    expect([await readFile(at('other'), 'utf8'), await modeOf('other')]).toEqual([content, 0o644]);
  });

  it.each(['{"a":1}\n', '@cee: {"a":1}\n', 'coffer {"a":1}\n', '\n{"a":1}\n', '{\n{"a":1}\n', '{'])(
    'goes on with a log that begins with %j',
    async (content) => {
      await writeFile(at('log'), content);
      await (await FileDevice.open({ path: at('log'), mode: 0o600 }, silentLog)).close();
    },
  );

  it('leaves the mode of what is no file alone', async () => {
    const before = (await stat('/dev/null')).mode;
    const device = await FileDevice.open({ path: '/dev/null', mode: 0o600 }, silentLog);
    await device.write('{}');
    await device.close();
    expect((await stat('/dev/null')).mode).toBe(before);
  });

  it('makes files that only their owner reads, and narrows one that was wider', async () => {
    const device = await FileDevice.open({ path: at('new.log'), mode: 0o600 }, silentLog);
    expect(await modeOf('new.log')).toBe(0o600);
    await device.close();
    await writeFile(at('wide.log'), '', { mode: 0o644 });
    await chmod(at('wide.log'), 0o644);
    await (await FileDevice.open({ path: at('wide.log'), mode: 0o640 }, silentLog)).close();
    expect(await modeOf('wide.log')).toBe(0o640);
    await chmod(at('wide.log'), 0o644);
    await (await FileDevice.open({ path: at('wide.log'), mode: 0 }, silentLog)).close();
    expect(await modeOf('wide.log')).toBe(0o644);
  });

  it('writes to a new file after a rotation and a signal', async () => {
    const device = await FileDevice.open({ path: at('a.log'), mode: 0o600 }, silentLog);
    await device.write('one');
    await rename(at('a.log'), at('a.log.1'));
    await device.write('two');
    await Promise.all([device.reopen(), device.reopen(), device.write('three')]);
    await device.write('four');
    expect(await linesOf('a.log.1')).toEqual(expect.arrayContaining(['one', 'two']));
    expect([...(await linesOf('a.log.1')), ...(await linesOf('a.log'))]).toEqual(['one', 'two', 'three', 'four']);
    await device.close();
  });

  it('notices a file that was deleted, by itself', async () => {
    const device = await FileDevice.open({ path: at('a.log'), mode: 0o600 }, silentLog);
    await device.write('lost');
    await rm(at('a.log'));
    for (let line = 0; line < 64; line++) await device.write(String(line));
    expect(await linesOf('a.log')).toContain('63');
    await device.close();
  });

  it.each([
    ['a folder', '.', 'EISDIR'],
    ['a folder that is not there', 'none/a.log', 'ENOENT'],
    ['a file as a folder', 'file/a.log', 'ENOTDIR'],
  ])('says why it cannot open %s, and not what lies there', async (_, name, code) => {
    await writeFile(at('file'), 'what lies there');
    const path = at(name);
    await expect(FileDevice.open({ path, mode: 0o600 }, silentLog)).rejects.toMatchObject({
      name: 'RequestError',
      clientTexts: [`sanity check failed; unable to open "${path}" for writing: ${code}`],
    });
  });

  it('rejects lines that a full disk does not take, all of them', async () => {
    // Every write to this device of Linux fails with ENOSPC.
    await symlink('/dev/full', at('full'));
    const device = await FileDevice.open({ path: at('full'), mode: 0 }, silentLog);
    const written = await Promise.allSettled([device.write('one'), device.write('two')]);
    expect(written.map((result) => result.status === 'rejected' && (result.reason as { code: string }).code)).toEqual([
      'ENOSPC',
      'ENOSPC',
    ]);
    // Once there is room, lines go on, on lines of their own.
    await rm(at('full'));
    await device.reopen();
    await device.write('three');
    expect((await linesOf('full')).filter((line) => line !== '')).toEqual(['three']);
    expect((await linesOf('full'))[0]).toBe('');
    await device.close();
  });

  it('tries again to open a file whose folder was away', async () => {
    const device = await FileDevice.open({ path: at('a.log'), mode: 0o600 }, silentLog);
    await device.write('{"a":1}');
    await rename(folder, `${folder}-away`);
    await expect(device.reopen()).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(device.write('two')).rejects.toMatchObject({ code: 'ENOENT' });
    await rename(`${folder}-away`, folder);
    await device.write('three');
    expect(await linesOf('a.log')).toEqual(['{"a":1}', 'three']);
    await device.close();
  });

  it('writes nothing for discard', async () => {
    const device = await FileDevice.open({ path: 'discard', mode: 0o600 }, silentLog);
    await device.write('x');
    await device.reopen();
    await device.close();
    expect(await readdir(folder)).toEqual([]);
  });
});
