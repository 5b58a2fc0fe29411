import { field } from './field.ts';
import { definePath } from './define-path.ts';
import { PathTable } from './path-table.ts';

const path = (pattern: string) => {
  const fields = Object.fromEntries(
    [...pattern.matchAll(/:([a-z_]+)/g)].map(([, name = '']) => [name, field.name('A part of the path.')]),
  );
  return definePath(pattern, {
    fields,
    help: { synopsis: pattern },
    read: { summary: 'reads', handler: () => undefined },
  });
};
const listed = definePath('listed', {
  fields: {},
  help: { synopsis: 'listed' },
  list: { summary: 'lists', handler: () => undefined },
});
const table = new PathTable(
  [
    'config',
    'keys/:name',
    'keys/:name/rotate',
    'keys/special',
    'users/:name?',
    'data/:path*',
    'mounts',
    'mounts/:path+',
    'mounts/:path+/tune',
  ]
    .map(path)
    .concat(listed),
);
const matched = (text: string) => {
  const found = table.match(text);
  return found && [found.path.pattern, { ...found.captures }];
};

describe('PathTable', () => {
  it.each([
    ['config', ['config', {}]],
    ['config/', undefined],
    ['listed/', ['listed', {}]],
    ['listed', ['listed', {}]],
    ['keys/a', ['keys/:name', { name: 'a' }]],
    ['keys/special', ['keys/special', {}]],
    ['keys/special/rotate', ['keys/:name/rotate', { name: 'special' }]],
    ['users', ['users/:name?', {}]],
    ['users/ann', ['users/:name?', { name: 'ann' }]],
    ['data', ['data/:path*', { path: '' }]],
    ['data/', ['data/:path*', { path: '' }]],
    ['data/a/b', ['data/:path*', { path: 'a/b' }]],
    ['data/a/', ['data/:path*', { path: 'a/' }]],
    ['mounts', ['mounts', {}]],
    ['mounts/a/b', ['mounts/:path+', { path: 'a/b' }]],
    ['mounts/a/b/tune', ['mounts/:path+/tune', { path: 'a/b' }]],
    ['mounts/tune', ['mounts/:path+', { path: 'tune' }]],
    ['keys', undefined],
    ['keys/a/b', undefined],
    ['', undefined],
    ['constructor', undefined],
    ['__proto__', undefined],
  ])('leads %s to its path', (text, expected) => {
    expect(matched(text)).toEqual(expected);
  });

  it('refuses two paths of one shape', () => {
    expect(() => new PathTable([path('a/:b'), path('a/:c')])).toThrow('no two paths');
    expect(() => new PathTable([path('a/:b*'), path('a/:c+')])).toThrow('no two paths');
  });

  it('refuses patterns that are not well-formed', () => {
    for (const pattern of ['a//b', 'a/:B', 'a/:b?/c', 'a/:b*/:c', 'a b'])
      expect(() => new PathTable([path(pattern)])).toThrow();
  });

  it('takes words only where a part has to be one', () => {
    const word = { fields: { name: field.string('A word.', { word: true }) }, help: { synopsis: 'word' } };
    const read = { summary: 'reads', handler: () => undefined };
    const words = new PathTable([
      definePath('roles/:name', { ...word, read }),
      definePath('roles/:name/id', { ...word, read }),
    ]);
    for (const good of ['a', 'A-b.c_d', '_', '0', 'a--b', 'x.y']) {
      expect(words.match(`roles/${good}`)?.captures).toMatchObject({ name: good });
      expect(words.match(`roles/${good}/id`)).toBeDefined();
    }
    for (const bad of ['a b', '-a', 'a-', '.a', 'a.', 'a@b', 'ä', '', ' ']) {
      expect([bad, words.match(`roles/${bad}`)]).toEqual([bad, undefined]);
      expect([bad, words.match(`roles/${bad}/id`)]).toEqual([bad, undefined]);
    }
    const other = definePath('roles/:other/key', {
      fields: { other: field.name('Anything.') },
      help: { synopsis: 'x' },
      read,
    });
    expect(() => new PathTable([definePath('roles/:name', { ...word, read }), other])).toThrow('agree');
  });
});
