import { asFolder, withEndSlash, withoutEndSlashes, withoutSlashes } from './slashes.ts';

describe('slashes', () => {
  it.each([
    ['', '', '', '/'],
    ['/', '', '', '/'],
    ['a', 'a', 'a', 'a/'],
    ['a/b', 'a/b', 'a/b', 'a/b/'],
    ['//a//b//', '//a//b', 'a//b', '//a//b/'],
    ['////', '', '', '/'],
  ])('of %j', (text, end, both, one) => {
    expect([withoutEndSlashes(text), withoutSlashes(text), withEndSlash(text)]).toEqual([end, both, one]);
  });

  it('are taken off in linear time', () => {
    // By a regular expression, minutes.
    const many = `${'/'.repeat(2_000_000)}x`;
    expect(withoutEndSlashes(many)).toBe(many);
    expect(withoutSlashes(many)).toBe('x');
    expect(withEndSlash(many)).toHaveLength(many.length + 1);
  });

  it('of a folder are one at the end', () => {
    expect(['a', '/a', 'a//', '//a/b//', '/', ''].map(asFolder)).toEqual(['a/', 'a/', 'a/', 'a/b/', '/', '/']);
  });
});
