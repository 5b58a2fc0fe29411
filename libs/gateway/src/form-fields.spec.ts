import { formFields, queryFields } from './form-fields.ts';

const form = (text: string): Record<string, unknown> => formFields(Buffer.from(text));

describe('fields of queries and forms', () => {
  it('are texts, or lists where a name comes again', () => {
    expect(form('a=1&b=x%20y&a=2&c=')).toEqual({ a: ['1', '2'], b: 'x y', c: '' });
    expect(queryFields(new URLSearchParams('list=true&after=a&scan=1&help=1'))).toEqual({ after: 'a' });
  });

  it('have no prototype, whatever their names', () => {
    const fields = form('__proto__=a&constructor=b');
    expect(Object.getPrototypeOf(fields)).toBeNull();
    expect(Object.entries(fields)).toEqual([
      ['__proto__', 'a'],
      ['constructor', 'b'],
    ]);
  });

  it('are bounded before they are taken apart', () => {
    expect(Object.keys(form(Array.from({ length: 10_000 }, (_, index) => `f${String(index)}`).join('&')))).toHaveLength(
      10_000,
    );
    expect(() => form('&'.repeat(10_000))).toThrow('more than 10000 fields');
    // Taken apart, gigabytes.
    expect(() => formFields(Buffer.alloc(32 << 20, '&'))).toThrow('more than 10000 fields');
  });
});
