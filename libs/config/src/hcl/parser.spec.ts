import { ConfigError, HCL_LIMITS, plainValue } from './ast.ts';
import { formatHcl } from './format-hcl.fixture.ts';
import { parseHcl, parseHclOrJson, parseJsonConfig } from './parser.ts';

const plain = (text: string): unknown => plainValue(parseHcl(text));
const value = (text: string): unknown => (plain(`v = ${text}`) as { readonly v: unknown }).v;
const jsonValue = (text: string): unknown =>
  (plainValue(parseJsonConfig(`{"v":${text}}`)) as { readonly v: unknown }).v;

function complaint(parse: () => unknown): string {
  try {
    parse();
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  throw new Error('nothing was refused');
}
const hclComplaint = (text: string): string => complaint(() => parseHcl(text, 'f.hcl'));
const jsonComplaint = (text: string): string => complaint(() => parseJsonConfig(text, 'f.json'));

describe('HCL', () => {
  it('keeps blocks, labels and positions', () => {
    const file = parseHcl('# a policy\npath "secret/*" {\n  capabilities = ["read",\n    "list"]\n}\n');
    expect(file).toEqual({
      kind: 'object',
      at: { line: 1, column: 1 },
      items: [
        {
          key: 'path',
          labels: ['secret/*'],
          block: true,
          at: { line: 2, column: 1 },
          value: {
            kind: 'object',
            at: { line: 2, column: 17 },
            items: [
              {
                key: 'capabilities',
                labels: [],
                block: false,
                at: { line: 3, column: 3 },
                value: {
                  kind: 'list',
                  at: { line: 3, column: 18 },
                  items: [
                    { kind: 'string', value: 'read', at: { line: 3, column: 19 } },
                    { kind: 'string', value: 'list', at: { line: 4, column: 5 } },
                  ],
                },
              },
            ],
          },
        },
      ],
    });
  });

  it('skips comments of all three kinds, up to the end without a line end', () => {
    expect(plain('# a\n// b\n/* c\n * d */ v /* e */ = /**/ 1 // f\n#')).toEqual({ v: 1 });
  });

  it('counts lines through comments, heredocs and Windows line ends', () => {
    const file = parseHcl('/*\r\n\r\n*/ a = <<E\r\nx\r\nE\r\nb = 1');
    expect(file.items.map(({ key, at }) => [key, at.line, at.column])).toEqual([
      ['a', 3, 4],
      ['b', 6, 1],
    ]);
  });

  it.each([
    ['0', 0],
    ['-12', -12],
    ['1.5', 1.5],
    ['.5', 0.5],
    ['-1e3', -1000],
    ['2.5E-1', 0.25],
    ['0x1F', 31],
    ['-0x10', -16],
    // As Go reads it: `perms = 0640` means what chmod means by it.
    ['0640', 416],
    ['0.25', 0.25],
  ])('reads the number %s', (text, expected) => {
    expect(value(text)).toBe(expected);
  });

  it('keeps the text of numbers beyond 53 bits', () => {
    expect(parseHcl('v = 9223372036854775807').items[0]?.value).toMatchObject({ text: '9223372036854775807' });
  });

  it.each([
    [String.raw`"a\"b\\c\n\t"`, 'a"b\\c\n\t'],
    [String.raw`"\a\b\f\v\r"`, '\u0007\b\f\v\r'],
    [String.raw`"\x41\101\u00e9\U0001F511"`, 'AAé\u{1F511}'],
    [String.raw`"\ud83d\udd11"`, '\u{1F511}'],
    // What is no character becomes the one that stands for that.
    [String.raw`"\ud83d"`, '\uFFFD'],
    ['"{{identity.entity.name}}"', '{{identity.entity.name}}'],
    ['"a ${b("c { \n } \\d")} e"', 'a ${b("c { \n } \\d")} e'],
    ['"$5 {}"', '$5 {}'],
  ])('reads the string %s', (text, expected) => {
    expect(value(text)).toBe(expected);
  });

  it.each([
    ['<<EOF\na\n  b\nEOF\n', 'a\n  b\n'],
    ['<<EOF\nEOF\n', ''],
    ['<<EOF\na\nEOFX\n EOF\n', 'a\nEOFX\n '],
    ['<<-EOF\n    a\n      b\n    EOF\n', 'a\n  b\n'],
    // One line has less indent than the end: nothing is taken off.
    ['<<-EOF\n    a\n  b\n    EOF\n', '    a\n  b\n'],
    ['<<-EOF\n  a\n\n  EOF\n', '  a\n\n'],
    ['<<_9é\n"\\n ${\n_9é', '"\\n ${\n'],
  ])('reads the heredoc %j', (text, expected) => {
    expect(value(text)).toBe(expected);
  });

  it('takes lists with a comma at the end, lists in lists, maps, and commas between members', () => {
    expect(plain('a = [1, [true,], {b = "c", "d" = []},]\ne { f = 1, g = 2 }, h = {}')).toEqual({
      a: [1, [true], { b: 'c', d: [] }],
      e: { f: 1, g: 2 },
      h: {},
    });
  });

  it('keeps keys that come twice, and names such as __proto__ without harm', () => {
    expect(parseHcl('a = 1\na = 2').items).toHaveLength(2);
    const object = plain('"__proto__" { polluted = true }\nconstructor = 1') as Record<string, unknown>;
    expect(Object.keys(object)).toEqual(['__proto__', 'constructor']);
    expect(Object.getPrototypeOf(object)).toBe(Object.prototype);
    expect(({} as { readonly polluted?: unknown }).polluted).toBeUndefined();
  });

  it.each([
    ['a', 'f.hcl:1:2: expected = or { after "a", found the end of the file'],
    ['a = ', 'f.hcl:1:5: expected a value, found the end of the file'],
    ['\n a = }', 'f.hcl:2:6: expected a value, found "}"'],
    ['a = b', 'f.hcl:1:5: expected a value (texts need quotes), found "b"'],
    ['a = null', 'f.hcl:1:5: expected a value (texts need quotes), found "null"'],
    ['a = 1h', 'f.hcl:1:5: expected a number; other texts, such as durations, need quotes'],
    ['a = 08', 'f.hcl:1:5: expected a number that fits, found 08'],
    ['a = 1e999', 'f.hcl:1:5: expected a number that fits, found 1e999'],
    ['a = -', 'f.hcl:1:5: expected a number, found "-"'],
    ['a = +1', 'f.hcl:1:5: expected a name or a value, found "+"'],
    ['a: 1', 'f.hcl:1:2: expected a name or a value, found ":"'],
    ['a "b" = 1', 'f.hcl:1:7: expected { after the labels of a block, found "="'],
    ['a = "b', 'f.hcl:1:5: expected the end of this string: "'],
    ['a = "b\nc"', 'f.hcl:1:5: expected the end of this string: "'],
    ['a = "${b"', 'f.hcl:1:5: expected the end of ${ in this string: }'],
    [String.raw`a = "b\q"`, String.raw`f.hcl:1:7: expected an escape such as \n or \", found "\\q"`],
    [String.raw`a = "\u12"`, 'f.hcl:1:6: expected 4 hexadecimal digits of a character in this escape'],
    [String.raw`a = "\UFFFFFFFF"`, 'f.hcl:1:6: expected 8 hexadecimal digits of a character in this escape'],
    [String.raw`a = "\400"`, 'f.hcl:1:6: expected 3 octal digits of a character in this escape'],
    ['a = [1 2]', 'f.hcl:1:8: expected , or ], found "2"'],
    ['a {', 'f.hcl:1:4: expected a name, found the end of the file'],
    ['a = {}\n}', 'f.hcl:2:1: expected a name, found "}"'],
    ['/* a', 'f.hcl:1:1: expected the end of this comment: */'],
    ['/ a', 'f.hcl:1:1: expected a name or a value, found "/"'],
    ['a = <<EOF\nb', 'f.hcl:1:5: expected a line with EOF alone, the end of this text'],
    ['a = << EOF\nEOF', 'f.hcl:1:5: expected a name and a line end after <<, as in <<EOF'],
    ['a = 1\nb\0', 'f.hcl:2:2: expected text, found a NUL byte'],
  ])('refuses %j, saying where and what was expected', (text, expected) => {
    expect(hclComplaint(text)).toBe(expected);
  });

  it('tells no value of a string in a complaint', () => {
    expect(hclComplaint('token "s.canary" "s.canary" = 1')).not.toContain('canary');
    expect(hclComplaint('list = ["a" "s.canary"]')).not.toContain('canary');
  });
});

describe('JSON', () => {
  it('reads every kind of value, with positions', () => {
    const file = parseJsonConfig('{"a": [1, -0.5e1, true, null,\n "\\u00e9\\/"], "b": {"c": {}}}');
    expect(plainValue(file)).toEqual({ a: [1, -5, true, null, 'é/'], b: { c: {} } });
    expect(file.items.map(({ at }) => at)).toEqual([
      { line: 1, column: 2 },
      { line: 2, column: 15 },
    ]);
  });

  it('leaves ${ alone', () => {
    expect(jsonValue('"${"')).toBe('${');
  });

  it.each([
    ['', 'f.json:1:1: expected an object: {, found the end of the file'],
    ['[]', 'f.json:1:1: expected an object: {, found "["'],
    ['{a: 1}', 'f.json:1:2: expected a name in quotes, found "a"'],
    ['{"a" 1}', 'f.json:1:6: expected : after "a", found "1"'],
    ['{"a": 1,}', 'f.json:1:9: expected a name in quotes, found "}"'],
    ['{"a": [1,]}', 'f.json:1:10: expected a value, found "]"'],
    ['{"a": 1 "b": 2}', 'f.json:1:9: expected , or }, found a string'],
    ['{"a": 1} {', 'f.json:1:10: expected the end of the file, found "{"'],
    ['{"a": 01}', 'f.json:1:7: expected a number; other texts, such as durations, need quotes'],
    ['{"a": yes}', 'f.json:1:7: expected a value (texts need quotes), found "yes"'],
    ['{"a": "\t"}', 'f.json:1:8: expected an escape such as \\t in a string, found a control character'],
    ['{"a": "\\x41"}', String.raw`f.json:1:8: expected an escape such as \n or \", found "\\x"`],
    ['{ // a\n}', 'f.json:1:3: expected a name or a value, found "/"'],
    ['{"a": {', 'f.json:1:8: expected a name in quotes, found the end of the file'],
  ])('refuses %j, saying where and what was expected', (text, expected) => {
    expect(jsonComplaint(text)).toBe(expected);
  });

  it('agrees with JSON.parse', () => {
    const random = seeded(7);
    for (let round = 0; round < 500; round++) {
      const object = { v: randomJson(random, 4) };
      expect(plainValue(parseJsonConfig(JSON.stringify(object, undefined, round % 3)))).toEqual(object);
    }
  });

  it('is chosen by the first character, behind a byte order mark and blanks, too', () => {
    expect(plainValue(parseHclOrJson('\uFEFF \n{"a": 1}'))).toEqual({ a: 1 });
    expect(plainValue(parseHclOrJson('\uFEFFa = 1'))).toEqual({ a: 1 });
  });
});

describe('formatting', () => {
  it('lays out two spaces a level', () => {
    expect(formatHcl(parseHcl('path "a" {capabilities=["read"]\nb={c=1}}\nname="x"'))).toBe(
      'path "a" {\n  capabilities = ["read"]\n  b = {\n    c = 1\n  }\n}\n\nname = "x"\n',
    );
  });

  it.each(['a "b" \\ \n\t\u0001é', '${ "x" }', '${', '${a}${"', '$', '', '\u{1F511}'])(
    'writes %j so that it reads the same',
    (text) => {
      const file = parseJsonConfig(JSON.stringify({ [text]: { [text]: [text, 1, true] } }));
      expect(plainValue(parseHcl(formatHcl(file)))).toEqual({ [text]: { [text]: [text, 1, true] } });
    },
  );
});

describe('hostile input', () => {
  it.each([
    ['blocks', 'a{'],
    ['maps', 'a={'],
    ['lists of maps', 'a=[{'],
  ])('meets the bound on depth in nested %s', (_, part) => {
    expect(hclComplaint(part.repeat(100_000))).toContain(
      `expected at most ${String(HCL_LIMITS.depthMax)} levels of nesting`,
    );
  });

  it('counts depth, not size: siblings are no nesting', () => {
    expect(parseHcl('a { b { c = [[1], [2]] } }\n'.repeat(1000)).items).toHaveLength(1000);
  });

  it('allows the greatest depth exactly', () => {
    const nested = (levels: number): string => `v = ${'['.repeat(levels)}${']'.repeat(levels)}`;
    expect(() => parseHcl(nested(HCL_LIMITS.depthMax))).not.toThrow();
    expect(hclComplaint(nested(HCL_LIMITS.depthMax + 1))).toContain('levels of nesting');
  });

  it('meets the bounds on size and on members, labels and list items', () => {
    const most = `expected at most ${String(HCL_LIMITS.itemsMax)} members`;
    expect(hclComplaint(' '.repeat(HCL_LIMITS.charsMax + 1))).toContain('characters');
    expect(hclComplaint('a=1\n'.repeat(HCL_LIMITS.itemsMax + 1))).toContain(most);
    expect(hclComplaint(`a = [${'1,'.repeat(HCL_LIMITS.itemsMax)}1]`)).toContain(most);
    expect(hclComplaint('a '.repeat(HCL_LIMITS.itemsMax + 1))).toContain(most);
  });

  it('takes a heredoc of very many lines', () => {
    expect(value(`<<-E\n${' x\n'.repeat(1_000_000)} E\n`)).toHaveLength(2_000_000);
  });

  it('throws nothing but its own error, whatever the text', () => {
    const random = seeded(1);
    const parts = ['{', '}', '[', ']', '=', ',', ':', '"', '\\', '\n', '<<', '<<-E\n', 'E', 'a', '0x', '1', '.', '-'];
    parts.push('${', '/*', '*/', '//', '#', ' ', 'true', 'null', '\\u', '\ud800', 'é', '\u0007', '\r', '1e9', '"a"');
    for (let round = 0; round < 20_000; round++) {
      const text = Array.from({ length: 1 + random(12) }, () => parts[random(parts.length)]).join('');
      for (const parse of [parseHcl, parseJsonConfig, parseHclOrJson]) {
        try {
          expect(parse(text).kind).toBe('object');
        } catch (error) {
          if (!(error instanceof ConfigError)) throw new Error(`${JSON.stringify(text)} threw ${String(error)}`);
        }
      }
    }
  });

  it('reads again what it has read and written, whatever the text', () => {
    const random = seeded(2);
    for (let round = 0; round < 500; round++) {
      const object = { v: randomJson(random, 4) };
      const file = parseJsonConfig(JSON.stringify(object));
      const again = parseHcl(formatHcl(file));
      expect(JSON.stringify(plainValue(again))).toBe(JSON.stringify(object).replaceAll('null', '""'));
    }
  });
});

/** Numbers below a bound, the same every time (xorshift). */
function seeded(seed: number): (below: number) => number {
  let state = seed * 2_654_435_761;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

function randomJson(random: (below: number) => number, depth: number): unknown {
  const kind = random(depth > 0 ? 7 : 5);
  if (kind === 0) return random(1000) - 500;
  if (kind === 1) return random(1000) / 8;
  if (kind === 2) return random(2) === 0;
  if (kind === 3) return null;
  if (kind === 4)
    return Array.from({ length: random(6) }, () => 'a"\\\n${}é{/\u{1F511}'.at(random(12)))
      .join('')
      .toWellFormed();
  if (kind === 5) return Array.from({ length: random(4) }, () => randomJson(random, depth - 1));
  return Object.fromEntries(
    Array.from({ length: random(4) }, (_, index) => [`k${String(index)}`, randomJson(random, depth - 1)]),
  );
}
