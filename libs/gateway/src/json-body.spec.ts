import { parseJsonBody } from './json-body.ts';

const parse = (text: string, limits?: { depthMax: number; membersMax: number }): Record<string, unknown> =>
  parseJsonBody(Buffer.from(text), limits);

describe('a body in JSON', () => {
  it('is an object or nothing', () => {
    expect({ ...parse('{"a":{"b":[1,"x",null,true]}}') }).toEqual({ a: { b: [1, 'x', null, true] } });
    for (const nothing of ['', '  \n', 'null']) expect(Object.keys(parse(nothing))).toEqual([]);
    for (const other of ['[1]', '"text"', '1', 'true', '12345678901234567890'])
      expect(() => parse(other)).toThrow(/expected an object/);
  });

  it.each(['12345678901234567890', '1.50', '1e3', '-0', '-0.0', '1E400', '0.1', '-12', '9007199254740993'])(
    'keeps the number %s as it was sent, wherever it stands',
    (number) => {
      const text = `{"a":${number},"b":[${number},{"c":${number}}],"d":"1.50"}`;
      expect(JSON.stringify(parse(text))).toBe(text);
    },
  );

  it('holds no halves of surrogate pairs: two names could become one where they are stored', () => {
    const text = String.raw`{"\ud800":"a\udfffb","c":["\uDBFF",{"x\udc00":1e3}],"d":"\ud83d\ude00","e":"\\ud800"}`;
    expect(JSON.stringify(parse(text))).toBe(
      String.raw`{"\ufffd":"a\ufffdb","c":["\ufffd",{"x\ufffd":1e3}],"d":"\ud83d\ude00","e":"\\ud800"}`.replaceAll(
        /(?<!\\)((?:\\u[0-9a-f]{4})+)/g,
        (escapes) => JSON.parse(`"${escapes}"`) as string,
      ),
    );
    expect(Object.keys(parse(String.raw`{"__proto__":"\ud800"}`))).toEqual(['__proto__']);
  });

  it('takes the last of double keys', () => {
    expect(parse('{"a":1,"a":2}')).toMatchObject({ a: 2 });
  });

  it.each(['{"__proto__":{"admin":true},"b":1}', '{"__proto__":{"admin":true},"b":1.50}'])(
    'takes __proto__ for a name like any other',
    (text) => {
      const data = parse(text);
      expect(Object.keys(data)).toEqual(['__proto__', 'b']);
      expect(data['admin']).toBeUndefined();
      expect(({} as Record<string, unknown>)['admin']).toBeUndefined();
    },
  );

  it('is bounded in depth before it is parsed', () => {
    const nested = (depth: number): string => `${'{"a":'.repeat(depth - 1)}{}${'}'.repeat(depth - 1)}`;
    expect(() => parse(nested(5), { depthMax: 5, membersMax: 100 })).not.toThrow();
    expect(() => parse(nested(6), { depthMax: 5, membersMax: 100 })).toThrow(/more than 5 levels/);
    expect(() => parse(`{"a":${'['.repeat(100_000)}`)).toThrow(/levels of nesting/);
    // brackets in texts nest nothing
    expect(() => parse(JSON.stringify({ a: '[{\\"'.repeat(1000) }))).not.toThrow();
  });

  it('is bounded in members before it is parsed', () => {
    const list = (count: number): string => `{"a":[${Array.from({ length: count }, () => '1').join(',')}]}`;
    expect(() => parse(list(90), { depthMax: 5, membersMax: 100 })).not.toThrow();
    expect(() => parse(list(300), { depthMax: 5, membersMax: 100 })).toThrow(/more than 100 members/);
  });

  it.each([
    '{"password":"hunter2"',
    '{"a":hunter2}',
    '{"a":1}hunter2',
    '{"a":"hunter2\n"}',
    '\ufeff{"hunter2":1}',
    '{"a":01.5}',
  ])('is refused without being quoted: %j', (text) => {
    let told: unknown;
    try {
      parse(text);
    } catch (error) {
      told = error;
    }
    expect(told).toMatchObject({ code: 'bad-request', message: 'failed to decode JSON input: invalid JSON' });
    expect((told as Error).cause).toBeUndefined();
  });

  it('is refused in invalid UTF-8', () => {
    expect(() => parseJsonBody(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]))).toThrow(/invalid UTF-8/);
  });
});
