import { parseTarget } from './request-path.ts';

describe('the target of a request', () => {
  it('is decoded once', () => {
    expect(parseTarget('/v1/secret/data/a%20b?version=2')).toMatchObject({ path: 'secret/data/a b' });
    expect(parseTarget('/v1/secret/a%252fb').path).toBe('secret/a%2fb');
    expect(parseTarget('/v1/secret/caf%C3%A9').path).toBe('secret/café');
    expect(parseTarget('/v1/a/..b/c...').path).toBe('a/..b/c...');
    expect(parseTarget('/v1/a?version=2').query?.get('version')).toBe('2');
    expect(parseTarget('/v1/a?').query).toBeUndefined();
  });

  it.each([
    '/v1/a/../b',
    '/v1/a/%2e%2e/b',
    '/v1/a/.%2E/b',
    '/v1/..',
    '/v1/a/./b',
    '/v1/a%2f..%2fb',
    '/v1/a%2f%2fb',
    '/v1/%2fa',
    '/v1/a%00b',
    '/v1/a%0ab',
    '/v1/a%7fb',
    '/v1/a%E2%80%8Bb',
    '/v1/a%zz',
    '/v1/a%',
    '/v1/a%c0%ae%c0%ae/b',
    '/v1/a%ff',
  ])('is refused as %s', (target) => {
    expect(() => parseTarget(target)).toThrow(expect.objectContaining({ code: 'bad-request' }) as Error);
  });

  it('with doubled slashes is sent where they are single, on this server', () => {
    expect(parseTarget('/v1/a//b///c?x=1').redirect).toBe('/v1/a/b/c?x=1');
    expect(parseTarget('/v1//evil.example/x').redirect).toBe('/v1/evil.example/x');
  });
});
