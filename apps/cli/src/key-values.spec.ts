import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UsageError } from './flags.ts';
import { parseKeyValues, textsOf } from './key-values.ts';

const folder = mkdtempSync(join(tmpdir(), 'coffer-kv-'));
const file = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};
afterAll(() => rmSync(folder, { recursive: true }));

const parse = (args: readonly string[], input = ''): Record<string, unknown> => parseKeyValues(args, () => input);

describe('data on the command line', () => {
  it('reads pairs, repeated keys, values with `=`, empty values and an escaped @', () => {
    expect(parse(['a=1', 'b=x=y', 'c=', 'd=\\@e', 'a=2', 'a=3'])).toEqual({
      a: ['1', '2', '3'],
      b: 'x=y',
      c: '',
      d: '@e',
    });
  });

  it('reads files and standard input, as values and as JSON', () => {
    expect(parse([`cert=@${file('c.pem', 'PEM\n')}`])).toEqual({ cert: 'PEM\n' });
    expect(parse(['key=-'], 'piped')).toEqual({ key: 'piped' });
    expect(parse([`@${file('d.json', '{"n":{"m":1}}')}`, 'o=2'])).toEqual({ n: { m: 1 }, o: '2' });
    expect(parse(['-'], '{"a":[1]}')).toEqual({ a: [1] });
  });

  it('keeps every digit of numbers in JSON', () => {
    const text = '{"big":12345678901234567890,"exp":1E3,"float":1.50}';
    expect(JSON.stringify(parse(['-'], text))).toBe(text);
  });

  it('passes over empty words, and sorts as Go does', () => {
    expect(Object.keys(parse(['b=1', '', 'a=2']))).toEqual(['a', 'b']);
  });

  it('makes own properties of hostile names', () => {
    const data = parse(['__proto__=x', 'constructor=y']);
    expect(Object.keys(data)).toEqual(['__proto__', 'constructor']);
    expect(Object.getPrototypeOf(data)).toBe(Object.prototype);
  });

  it.each([
    [['alone'], '', 'format must be key=value'],
    [['-'], '', 'EOF'],
    [['-'], '[1]', 'expected a JSON object'],
    [['-'], '12345678901234567890', 'expected a JSON object'],
    [['-', 'v=-'], '{"a":1}', 'stdin already consumed'],
    [['a=@/no/such/file'], '', 'open /no/such/file: no such file or directory'],
    [[`a=@${tmpdir()}`], '', 'is a directory'],
  ])('refuses %j', (args, input, text) => {
    expect(() => parse(args, input)).toThrow(UsageError);
    expect(() => parse(args, input)).toThrow(text);
  });

  it('makes texts of numbers and truths, but not of lists and maps', () => {
    expect(textsOf(parse(['-'], '{"n":1.50,"yes":true,"no":false,"none":null,"t":"x"}'))).toEqual({
      n: '1.50',
      yes: '1',
      no: '0',
      none: '',
      t: 'x',
    });
    expect(() => textsOf({ a: ['1', '2'] })).toThrow("'a': expected a text");
    expect(() => textsOf({ a: {} })).toThrow(UsageError);
  });

  it('never repeats what was piped in', () => {
    expect(() => parse(['-'], 'hunter2 is no JSON')).toThrow(/^(?!.*hunter2)/);
    expect(() => parse(['-'], 'hunter2 is no JSON')).toThrow('no valid JSON');
  });
});
