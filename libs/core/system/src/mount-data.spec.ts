import { readTuning } from './mount-data.ts';

const rawJson = (text: string): unknown => (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(text);

describe('the settings of a mount', () => {
  it.each([
    [3600, 3600],
    ['1h', 3600],
    ['system', 0],
    [rawJson('1e3'), 1000],
    [9_223_372_036, 9_223_372_036],
  ])('take a TTL of %p', (sent, seconds) => {
    expect(readTuning({ default_lease_ttl: sent })).toEqual({ defaultLeaseTtlSeconds: seconds });
  });

  it.each([
    -1,
    0.5,
    1e300,
    Number.MAX_SAFE_INTEGER,
    9_223_372_037,
    rawJson('0.5'),
    rawJson('1e400'),
    rawJson('12345678901234567890'),
    'soon',
    '-1h',
    '9223372037',
    true,
    {},
    [],
    [60],
  ])('refuse a TTL of %p, and say so whatever it is', (sent) => {
    for (const name of ['default_lease_ttl', 'max_lease_ttl'])
      expect(() => readTuning({ [name]: sent })).toThrow(/unable to parse (default|max) TTL.*: invalid duration/);
    for (const name of ['lockout_threshold', 'lockout_duration', 'lockout_counter_reset'])
      expect(() => readTuning({ user_lockout_config: { [name]: sent } })).toThrow(`${name}`);
  });
});
