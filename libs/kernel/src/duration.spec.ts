import { formatDuration, parseDurationSeconds } from './duration.ts';

describe('durations', () => {
  it.each([
    ['', 0],
    ['0', 0],
    ['3600', 3600],
    ['+5', 5],
    ['-5', -5],
    ['768h', 2_764_800],
    ['1h30m', 5400],
    ['1h30m10s', 5410],
    ['30m1h', 5400],
    ['1.5h', 5400],
    ['.5m', 30],
    ['1.m', 60],
    ['-5m', -300],
    ['30d', 2_592_000],
    ['-1d', -86_400],
    // Below a second: dropped, after the parts are added up.
    ['1500ms', 1],
    ['999ms', 0],
    ['-999ms', 0],
    ['500ms500ms', 1],
    ['0.1s0.2s0.7s', 1],
    ['0.9999999999s', 0],
    ['1000000us1000000µs1000000μs1000000000ns', 4],
    ['0000000000000000000000000000001s', 1],
    ['9223372036s', 9_223_372_036],
    ['106751d', 9_223_286_400],
  ])('reads %j', (text, seconds) => {
    expect(parseDurationSeconds(text)).toBe(seconds);
  });

  it.each([
    ' ',
    ' 5s',
    '5s ',
    '5 s',
    '1.5',
    '1.5d',
    '1d12h',
    '12h1d',
    '1w',
    '1y',
    's',
    '.s',
    '-',
    '--1s',
    '1S',
    '1e3s',
    '0x10',
    'Infinity',
    'NaN',
    '1h30',
    '٣s',
    '5s\n',
    // Beyond what Go's 64 bits hold.
    '9223372037',
    '9223372037s',
    '106752d',
    '2562048h',
    '99999999999999999999999999999s',
    '9'.repeat(100_000),
    `${'1'.repeat(1_000_000)}x`,
    `1.${'1'.repeat(1_000_000)}`,
    `${'1s'.repeat(10_000)}1`,
  ])('refuses %j', (text) => {
    expect(parseDurationSeconds(text)).toBeUndefined();
  });

  it.each([
    [0, '0s'],
    [59, '59s'],
    [60, '1m0s'],
    [5400, '1h30m0s'],
    [2_764_800, '768h0m0s'],
    [-90, '-1m30s'],
  ])('writes %d s as Go does', (seconds, text) => {
    expect(formatDuration(seconds)).toBe(text);
    expect(parseDurationSeconds(text)).toBe(seconds);
  });
});
