import { coerce, coerceFields } from './coerce.ts';
import { field } from './field.ts';
import type { Field } from './field.ts';

const rawJson = (text: string): unknown => (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(text);

const made = (declared: Field<unknown>, value: unknown): unknown => {
  try {
    return coerce('f', declared, value);
  } catch (error) {
    return error instanceof Error ? error.name : 'no error';
  }
};

const refused = 'RequestError';

describe('coerce', () => {
  it.each<[string, Field<unknown>, readonly (readonly [unknown, unknown])[]]>([
    [
      'string',
      field.string(''),
      [
        ['a', 'a'],
        [5, '5'],
        [1.5, '1.5'],
        [rawJson('12345678901234567890'), '12345678901234567890'],
        [rawJson('1e3'), '1e3'],
        [true, '1'],
        [false, '0'],
        [{}, refused],
        [['a'], refused],
      ],
    ],
    [
      'lower-case string',
      field.lowerCaseString(''),
      [
        ['AbÄ', 'abä'],
        [5, '5'],
      ],
    ],
    [
      'int',
      field.int(''),
      [
        [5, 5],
        ['5', 5],
        ['-5', -5],
        [' 7 ', 7],
        ['', 0],
        [true, 1],
        [5.9, refused],
        [0.5, refused],
        [rawJson('0.5'), refused],
        [rawJson('1.0'), 1],
        [2 ** 53, refused],
        ['1e3', refused],
        ['0x10', refused],
        ['5a', refused],
        [rawJson('12345678901234567890'), refused],
        [1e300, refused],
        [Number.NaN, refused],
        [[], refused],
        [{}, refused],
      ],
    ],
    [
      'float',
      field.float(''),
      [
        [1.5, 1.5],
        ['1.5', 1.5],
        ['x', refused],
        ['', refused],
        ['Infinity', refused],
      ],
    ],
    [
      'bool',
      field.bool(''),
      [
        [true, true],
        ['true', true],
        ['T', true],
        ['1', true],
        [1, true],
        [2, refused],
        [-1, refused],
        ['false', false],
        ['', false],
        [0, false],
        ['yes', refused],
        ['tRUE', refused],
        [[], refused],
      ],
    ],
    [
      'duration',
      field.duration(''),
      [
        [60, 60],
        [1.9, refused],
        [0.5, refused],
        [9_223_372_036, 9_223_372_036],
        [9_223_372_037, refused],
        [Number.MAX_SAFE_INTEGER, refused],
        [rawJson('1e400'), refused],
        [-9_223_372_037, refused],
        ['60', 60],
        ['1h30m', 5400],
        ['30d', 2_592_000],
        ['1.5h', 5400],
        ['', 0],
        ['-1s', refused],
        [-1, refused],
        ['soon', refused],
        ['1x', refused],
        ['9'.repeat(30), refused],
        [true, refused],
        [{}, refused],
      ],
    ],
    [
      'signed duration',
      field.signedDuration(''),
      [
        ['-1m', -60],
        [-5, -5],
        [-9_223_372_037, refused],
      ],
    ],
    [
      'comma strings',
      field.commaStrings(''),
      [
        [
          ['a', null],
          ['a', ''],
        ],
        ['a, b', ['a', 'b']],
        ['', []],
        [
          [' a', 'b,c', 5],
          ['a', 'b,c', '5'],
        ],
        [5, ['5']],
        [[{}], refused],
        [','.repeat(9_999), Array.from({ length: 10_000 }, () => '')],
        [','.repeat(10_000), refused],
        [{}, refused],
      ],
    ],
    [
      'strings',
      field.strings(''),
      [
        ['a,b', ['a,b']],
        [[' a'], [' a']],
      ],
    ],
    [
      'comma ints',
      field.commaInts(''),
      [
        ['1, 2', [1, 2]],
        [
          [1, '2'],
          [1, 2],
        ],
        ['1,x', refused],
      ],
    ],
    [
      'slice',
      field.slice(''),
      [
        [
          [1, {}],
          [1, {}],
        ],
        ['a', ['a']],
      ],
    ],
    [
      'map',
      field.map(''),
      [
        [{ a: 1 }, { a: 1 }],
        ['{"a":1}', { a: 1 }],
        ['', {}],
        ['[1]', refused],
        [`{"a":${'['.repeat(400)}${']'.repeat(400)}}`, refused],
        [`{"a":${'['.repeat(1_000_000)}`, refused],
        ['{"a":"[[[[\\"[[["}', { a: '[[[["[[[' }],
        ['x', refused],
        [[], refused],
        [5, refused],
      ],
    ],
    [
      'key-values',
      field.keyValues(''),
      [
        [{ a: null }, { a: '' }],
        [
          { a: 1, b: true },
          { a: '1', b: '1' },
        ],
        ['a=b', { a: 'b' }],
        [['a=b', 'c=d=e'], { a: 'b', c: 'd=e' }],
        ['{"a":"b"}', { a: 'b' }],
        [{ a: {} }, refused],
        ['=b', refused],
        ['ab', refused],
      ],
    ],
    ['any', field.any(''), [[{ a: [1] }, { a: [1] }]]],
  ])('%s', (_, declared, cases) => {
    for (const [sent, want] of cases) expect([sent, made(declared, sent)]).toEqual([sent, want]);
  });

  it('reads times, as RFC 3339 and as seconds', () => {
    expect(made(field.time(''), '2026-01-02T03:04:05Z')).toBe(Date.UTC(2026, 0, 2, 3, 4, 5));
    expect(made(field.time(''), 1_700_000_000)).toBe(1_700_000_000_000);
    expect(made(field.time(''), 'tomorrow')).toBe(refused);
    // No form in RFC 3339: what shows it would fail.
    for (const odd of [-1, 1e15, 1e300, '9'.repeat(30), '0000-01-01T00:00:00Z', '1969-12-31T23:59:59Z'])
      expect([odd, made(field.time(''), odd)]).toEqual([odd, refused]);
    expect(made(field.time(''), '9999-12-31T23:59:59Z')).toBe(253_402_300_799_000);
  });

  it('names the field, what was expected and what came, but not the value', () => {
    expect(() => coerce('ttl', field.duration(''), 'hunter2')).toThrow(/"ttl": expected type 'duration', got a string/);
    expect(() => coerce('ttl', field.duration(''), 'hunter2')).not.toThrow(/hunter2/);
  });

  it('makes maps without a prototype, whatever they hold', () => {
    const pairs = coerce('f', field.keyValues(''), ['__proto__=x', 'constructor=y']) as Record<string, string>;
    expect(Object.getPrototypeOf(pairs)).toBeNull();
    expect(Object.keys(pairs)).toEqual(['__proto__', 'constructor']);
    expect({}).not.toHaveProperty('x');
  });
});

describe('coerceFields', () => {
  const fields = {
    name: field.name(''),
    count: field.int('', { default: 3 }),
    policies: field.commaStrings('', { aliases: ['token_policies'] }),
  };

  it('takes path before body, defaults for null, and aliases', () => {
    const { values, warnings } = coerceFields(
      fields,
      { name: 'path' },
      { name: 'body', count: null, token_policies: 'a,b' },
      false,
    );
    expect(values).toEqual(
      Object.assign(Object.create(null) as object, { name: 'path', count: 3, policies: ['a', 'b'] }),
    );
    expect(warnings).toEqual([
      "Endpoint replaced the value of these parameters with the values captured from the endpoint's path: [name]",
    ]);
  });

  it('warns of fields that nobody declared, sorted, unless all are taken', () => {
    expect(coerceFields(fields, {}, { z: 1, b: 2, toString: 3 }, false).warnings).toEqual([
      'Endpoint ignored these unrecognized parameters: [b toString z]',
    ]);
    expect(coerceFields(fields, {}, { z: 1 }, true).warnings).toEqual([]);
  });

  it('takes nothing from prototypes', () => {
    const inherited = Object.create({ count: 9 }) as Record<string, unknown>;
    expect(coerceFields(fields, {}, inherited, false).values.count).toBe(3);
    expect(coerceFields({ toString: field.string('') }, {}, {}, false).values.toString).toBeUndefined();
  });
});
