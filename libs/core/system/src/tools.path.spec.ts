import { caller, countingRandom, outcome } from './test-world.fixture.ts';
import { toolsPaths } from './tools.path.ts';

const { call, warnings } = caller(toolsPaths(countingRandom()));

describe('sys/tools/hash', () => {
  it.each<[string, Record<string, unknown>, unknown]>([
    ['tools/hash', { input: 'aGVsbG8=' }, { sum: '2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824' }],
    [
      'tools/hash/sha2-512',
      { input: 'aGVsbG8=', format: 'base64' },
      { sum: 'm3HSJL1i83hdltRq0+o9czGb+8KJDKra4t/3JRlnPKcjI8PZm6XBHXx6zG4UuMXaDEZjR1wuXDre9G9zvN7AQw==' },
    ],
    ['tools/hash', {}, { sum: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855' }],
    ['tools/hash/md5', { input: 'aGVsbG8=' }, [400, 'unsupported algorithm md5']],
    [
      'tools/hash',
      { input: 'not base64!' },
      [400, 'unable to decode input as base64: illegal base64 data at input byte 3'],
    ],
    ['tools/hash', { format: 'octal' }, [400, 'unsupported encoding format octal; must be "hex" or "base64"']],
  ])('%s %j', async (path, sent, expected) => {
    expect(await outcome(call('update', path, sent))).toEqual(expected);
  });

  it('prefers the algorithm of the URL', async () => {
    const data = await outcome(call('update', 'tools/hash/sha2-224', { input: 'aGVsbG8=', algorithm: 'sha2-384' }));
    expect((data as { sum: string }).sum).toHaveLength(56);
  });
});

describe('sys/tools/random', () => {
  it.each<[string, Record<string, unknown>, number]>([
    ['tools/random', {}, 32],
    ['tools/random/8', {}, 8],
    ['tools/random/platform', { bytes: 5 }, 5],
    ['tools/random/platform/16', {}, 16],
    ['tools/random/all/3', {}, 3],
  ])('%s %j gives %d bytes', async (path, sent, length) => {
    const { random_bytes: text } = (await outcome(call('update', path, sent))) as { random_bytes: string };
    expect(Buffer.from(text, 'base64')).toHaveLength(length);
  });

  it.each<[string, Record<string, unknown>, string]>([
    ['tools/random/0', {}, "'bytes' cannot be less than 1"],
    ['tools/random', { bytes: -5 }, "'bytes' cannot be less than 1"],
    ['tools/random/9999999', {}, "'bytes' should be less than 131072"],
    ['tools/random/abc', {}, 'error parsing url-set byte count: strconv.Atoi: parsing "abc": invalid syntax'],
    ['tools/random', { format: 'octal' }, 'unsupported encoding format "octal"; must be "hex" or "base64"'],
    ['tools/random/moon/4', {}, 'unsupported entropy source "moon"; must be "platform" or "seal", or "all"'],
  ])('%s %j is refused', async (path, sent, text) => {
    expect(await outcome(call('update', path, sent))).toEqual([400, text]);
  });

  it('warns of a source that it does not look at', async () => {
    await call('update', 'tools/random', { bytes: 4, source: 'all' });
    expect(warnings).toHaveLength(1);
  });
});
