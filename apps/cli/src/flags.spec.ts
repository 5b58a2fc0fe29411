import { UsageError, durationText, parseFlags, settingText, trailingFlags } from './flags.ts';
import type { FlagSpec } from './flags.ts';

const SPECS: readonly FlagSpec[] = [
  { name: 'force', kind: 'bool', help: '', aliases: ['f'] },
  { name: 'field', kind: 'text', help: '' },
  { name: 'policy', kind: 'texts', help: '' },
  { name: 'cas', kind: 'int', help: '' },
  { name: 'count', kind: 'uint', help: '' },
  { name: 'ttl', kind: 'duration', help: '' },
  { name: 'metadata', kind: 'map', help: '' },
];
const parse = (...argv: readonly string[]): ReturnType<typeof parseFlags> => parseFlags(argv, SPECS);

describe('flags, as Go reads them', () => {
  it('takes an int without a value for 0, and durations for whole seconds where the API has them', () => {
    expect(parse('-cas=').flags.int('cas')).toBe(0);
    expect(parse('-ttl=90.9s').flags.seconds('ttl')).toBe(90);
    expect(parse('-ttl=-5s').flags.seconds('ttl')).toBe(0);
    expect(parse().flags.seconds('ttl')).toBe(0);
  });

  it('writes a setting that stays as nothing, and one that falls back as "system"', () => {
    expect(settingText(parse().flags.duration('ttl'))).toBe('');
    expect(settingText(parse('-ttl=0').flags.duration('ttl'))).toBe('');
    expect(settingText(parse('-ttl=system').flags.duration('ttl'))).toBe('system');
    expect(settingText(parse('-ttl=2d').flags.duration('ttl'))).toBe('48h0m0s');
  });

  it.each([
    [['-field=a', 'path']],
    [['--field=a', 'path']],
    [['-field', 'a', 'path']],
    [['--field', 'a', 'path']],
    [['-field', 'x', '-field=a', '--', 'path']],
  ])('reads %j', (argv) => {
    const { flags, args } = parse(...argv);
    expect(flags.text('field')).toBe('a');
    expect(args).toEqual(['path']);
  });

  it('stops at the first argument, and at `-`, which is standard input', () => {
    expect(parse('path', '-field=a').args).toEqual(['path', '-field=a']);
    expect(parse('-force', '-', '-field=a').args).toEqual(['-', '-field=a']);
    expect(trailingFlags(['path', '-field=a', '-'])).toEqual(['-field=a']);
    // these are found wherever they stand
    expect(trailingFlags(['path', '-format=json', '--output-policy'])).toEqual([]);
  });

  it('takes no value for a boolean from the next word', () => {
    const { flags, args } = parse('-f', 'false');
    expect(flags.bool('force')).toBe(true);
    expect(args).toEqual(['false']);
    expect(parse('-force=false').flags.bool('force')).toBe(false);
    expect(parse().flags.boolOr('force')).toBeUndefined();
  });

  it('collects lists and maps; a value may contain `=`', () => {
    const { flags } = parse('-policy=a', '-policy', 'b', '-metadata=k=v=w');
    expect(flags.texts('policy')).toEqual(['a', 'b']);
    expect(flags.map('metadata')).toEqual({ k: 'v=w' });
  });

  it.each([
    [['-nosuch'], 'flag provided but not defined: -nosuch'],
    [['-field'], 'flag needs an argument: -field'],
    [['-force=maybe'], 'invalid boolean value "maybe" for -force: strconv.ParseBool: parsing "maybe": invalid syntax'],
    [['-force=tRUE'], 'invalid boolean value "tRUE"'],
    [['---force'], 'bad flag syntax: ---force'],
    [['-=x'], 'bad flag syntax: -=x'],
    [['-cas=99999999999999999999'], 'strconv.ParseInt: parsing "99999999999999999999": value out of range'],
    [['-count=-1'], 'strconv.ParseUint: parsing "-1": invalid syntax'],
    [['-ttl=1.5'], 'time: missing unit in duration "1.5"'],
    [['-ttl=1x'], 'time: unknown unit "x" in duration "1x"'],
    [['-ttl=abc'], 'time: invalid duration "abc"'],
    [['-cas=1.5'], 'invalid value "1.5" for flag -cas'],
    [['-ttl=5x'], 'invalid value "5x" for flag -ttl'],
    [['-metadata=alone'], 'missing = in KV pair'],
  ])('refuses %j', (argv, text) => {
    expect(() => parse(...argv)).toThrow(UsageError);
    expect(() => parse(...argv)).toThrow(text);
  });

  it.each([
    [undefined, '0s'],
    ['0', '0s'],
    ['90', '1m30s'],
    ['1h', '1h0m0s'],
    ['1d', '24h0m0s'],
    ['1.5s', '1.5s'],
    ['system', 'system'],
    ['-60', '-1m0s'],
    ['500ms', '500ms'],
    ['1h0.5s', '1h0m0.5s'],
    ['2562047h', '2562047h0m0s'],
  ])('writes the duration %s as %s', (text, expected) => {
    expect(durationText(text)).toBe(expected);
  });
});
