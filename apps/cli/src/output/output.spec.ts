import { parseExactJson } from '@coffer/api-client';
import type { ApiResponse } from '@coffer/api-client';
import { goValue, humanDuration } from './go-value.ts';
import { Printer } from './printer.ts';
import type { Format } from './printer.ts';
import { enveloped } from './secret.ts';
import { heading, titledTable } from './table.ts';
import { toYaml } from './yaml.ts';

function printed(format: Format, field: string | undefined, text: string): { code: number; out: string; err: string } {
  let [out, err] = ['', ''];
  const streams = { out: (more: string) => void (out += more), err: (more: string) => void (err += more) };
  const code = new Printer(format, field, streams, toYaml).secret(parseExactJson(text) as ApiResponse);
  return { code, out, err };
}

describe('tables', () => {
  it('lines up columns, and says n/a for what is empty', () => {
    expect(
      titledTable(
        ['Key', 'Value'],
        [
          ['a', '1'],
          ['longer', ''],
          ['ü', ' x\n'],
        ],
      ),
    ).toBe('Key       Value\n---       -----\na         1\nlonger    n/a\nü         x');
  });

  it('centres headings, however short the table', () => {
    expect(heading('Data', 'Key    Value')).toBe('=== Data ===');
    expect(heading('Metadata', 'x')).toBe('== Metadata ==');
  });

  it('prints values and durations as Go does', () => {
    expect(goValue({ b: [1, 'x'], a: null })).toBe('map[a:<nil> b:[1 x]]');
    expect([0, 59, 60, 3600, 3605, 5400, -90].map(humanDuration)).toEqual([
      '0s',
      '59s',
      '1m',
      '1h',
      '1h0m5s',
      '1h30m',
      '-1m30s',
    ]);
  });
});

describe('answers', () => {
  const SECRET =
    '{"request_id":"r","lease_id":"","lease_duration":0,"renewable":false,"data":{"n":12345678901234567890,"f":1.50,"ttl":3600},"warnings":null}';

  it('keeps every digit in every format', () => {
    expect(printed('table', undefined, SECRET).out).toContain('12345678901234567890');
    expect(printed('json', undefined, SECRET).out).toContain('"n": 12345678901234567890,\n    "f": 1.50');
    expect(printed('yaml', undefined, SECRET).out).toContain('  f: 1.50\n  "n": 12345678901234567890\n  ttl: 3600');
    expect(printed('table', 'n', SECRET).out).toBe('12345678901234567890');
  });

  it('prints one field without a line end, and fails for one that is not there', () => {
    expect(printed('table', 'ttl', SECRET)).toEqual({ code: 0, out: '3600', err: '' });
    expect(printed('table', 'nosuch', SECRET)).toEqual({
      code: 1,
      out: '',
      err: 'Field "nosuch" not present in secret\n',
    });
    expect(printed('table', 'toString', SECRET).code).toBe(1);
  });

  it('finds what the envelope has, and data as a whole', () => {
    expect(printed('table', 'lease_duration', SECRET).out).toBe('0');
    expect(printed('table', 'request_id', SECRET).out).toBe('r');
    expect(printed('json', 'renewable', SECRET).out).toBe('false');
    expect(printed('table', 'data', '{"data":{"a":"b"}}').out).toBe('map[a:b]');
    expect(printed('table', 'data', '{"data":{"data":{"c":1},"metadata":{}}}').out).toBe('map[c:1]');
    expect(printed('table', 'c', '{"data":{"data":{"c":1},"metadata":{}}}').code).toBe(1);
    const login = '{"auth":{"client_token":"t","policies":["a","b"],"lease_duration":5}}';
    expect(printed('table', 'token', login).out).toBe('t');
    expect(printed('table', 'policies', login).out).toBe('[a b]');
    expect(printed('table', 'lease_id', login).code).toBe(1);
    expect(printed('table', 'wrapping_token', '{"wrap_info":{"token":"w","ttl":60}}').out).toBe('w');
  });

  it('says of one field what the server warned of', () => {
    expect(printed('table', 'a', '{"data":{"a":"b"},"warnings":["mind this"]}').err).toContain('mind this');
    expect(printed('json', 'a', '{"data":{"a":"b"},"warnings":["mind this"]}').err).toBe('');
  });

  it('lists names in their order, with what the server tells of them if that is asked for', () => {
    const listed = '{"data":{"keys":["b","a"],"key_info":{"a":{"ttl":3600,"by":"ann"}}}}';
    const shown = (work: (print: Printer) => number, format: Format = 'table'): string => {
      let out = '';
      const streams = { out: (more: string) => void (out += more), err: () => undefined };
      work(new Printer(format, undefined, streams, toYaml));
      return out;
    };
    const answer = JSON.parse(listed) as ApiResponse;
    expect(shown((print) => print.keys(answer))).toBe('Keys\n----\na\nb\n');
    expect(shown((print) => print.detailedKeys(answer))).toBe(
      'Keys    by     ttl\n----    --     ---\na       ann    1h\nb       n/a    n/a\n',
    );
    expect(shown((print) => print.keys({ data: { keys: [] } }))).toBe('');
    expect(JSON.parse(shown((print) => print.detailedKeys(answer), 'json'))).toMatchObject({
      data: { keys: ['b', 'a'] },
    });
  });

  it('takes an answer without an envelope for data', () => {
    expect(enveloped({ initialized: true })).toEqual({ data: { initialized: true } });
    expect(enveloped({ data: null, request_id: 'r' })).toEqual({ data: null, request_id: 'r' });
    expect(printed('table', 'sealed', '{"sealed":false,"n":1}').out).toBe('false');
  });

  it('prints warnings on standard error only', () => {
    const { out, err } = printed('table', undefined, '{"data":{"a":"b"},"warnings":["mind this"]}');
    expect(out).not.toContain('mind this');
    expect(err).toContain('  * mind this');
  });
});

describe('YAML', () => {
  it.each([
    ['yes', '"yes"'],
    ['1_000', '"1_000"'],
    ['0x1F', '"0x1F"'],
    ['2026-01-02', '"2026-01-02"'],
    ['12:30', '"12:30"'],
    ['\t', '"\\t"'],
    ['a: b', "'a: b'"],
    [' lead', "' lead'"],
    ['*a', "'*a'"],
    ["it's", "it's"],
    ['=', '='],
    ['a\nb', '|-\n  a\n  b'],
  ])('writes %j as %s', (text, expected) => {
    expect(toYaml({ a: text })).toBe(`a: ${expected}`);
  });

  it('orders keys by the numbers in them', () => {
    expect(toYaml({ s10: 1, s2: 1, b: 1, '10': 1, '9': 1, 'a b': 1, 'a-1': 1 })).toBe(
      '"9": 1\n"10": 1\na b: 1\na-1: 1\nb: 1\ns2: 1\ns10: 1',
    );
  });

  it('quotes what would be read as something else, sorts keys, and does not indent lists', () => {
    expect(toYaml({ b: ['x'], a: 'true', c: '', d: '1.0', e: null })).toBe(
      'a: "true"\nb:\n- x\nc: ""\nd: "1.0"\ne: null',
    );
  });
});
