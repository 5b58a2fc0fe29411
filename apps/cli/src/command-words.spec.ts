import { commandWords, globalWords } from './command-words.ts';
import { COMMANDS, GROUPS } from './commands/index.ts';

const words = (...argv: readonly string[]): ReturnType<typeof commandWords> =>
  commandWords(argv, [...COMMANDS, ...GROUPS]);

describe('what all words say', () => {
  it.each([
    [['kv', 'get', '-format=json', 'a'], 'json'],
    [['read', 'a', '--format', 'yaml'], 'yaml'],
    [['read', 'a', '-format', 'json', '-format=table'], 'table'],
    [['read', '--', '-format=json'], undefined],
    [['read', 'a'], undefined],
  ])('finds the format in %j', (argv, format) => {
    expect(globalWords(argv).format).toBe(format);
  });

  it('finds what is to be printed instead, curl before policy', () => {
    expect(globalWords(['read', 'a', '-output-policy']).dry).toBe('policy');
    expect(globalWords(['read', '-output-policy', '--output-curl-string', 'a']).dry).toBe('curl');
    expect(globalWords(['read', '--', '-output-policy']).dry).toBeUndefined();
  });
});

describe('finding the command', () => {
  it('takes the longest name that there is', () => {
    expect(words('kv', 'metadata', 'get', '-mount=a', 'b')).toMatchObject({
      name: 'kv metadata get',
      args: ['-mount=a', 'b'],
    });
    expect(words('kv', 'nosuch', 'x')).toMatchObject({ name: 'kv', args: ['nosuch', 'x'] });
    expect(words('kv', 'getx')).toMatchObject({ name: 'kv', args: ['getx'] });
    expect(words('nosuch', 'a')).toMatchObject({ name: 'nosuch', args: ['a'] });
  });

  it('tells flags before the command from those behind it', () => {
    expect(words('-address=x', 'status')).toMatchObject({ before: ['-address=x'], name: 'status' });
    expect(words('-v', 'kv', 'list')).toMatchObject({ before: [], name: 'kv list' });
  });

  it('finds a cry for help anywhere before --', () => {
    expect(words('kv', 'get', 'a', '-h').help).toBe(true);
    expect(words('--help').help).toBe(true);
    expect(words('kv', 'put', 'a', '--', '-h').help).toBe(false);
  });

  it('takes no word with a space for a command', () => {
    expect(words('kv get').name).toBe('');
    expect(words('read', 'kv get').name).toBe('read');
  });
});
