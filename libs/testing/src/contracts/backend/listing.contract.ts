import { puts, deletes } from './trial.ts';
import type { SetUp } from './trial.ts';

/** What lies directly below a prefix. */
export function describeListing({ store, write }: SetUp): void {
  describe('a listing', () => {
    it('holds leaves by their names and folders once, with a slash, in the order of bytes', async () => {
      await write(puts('a/x', 'a/y/1', 'a/y/2', 'a/y/z/3', 'a/z', 'b', 'a-b', 'a', 'a.c', 'a0'));
      expect(await store().list('')).toEqual(['a', 'a-b', 'a.c', 'a/', 'a0', 'b']);
      expect(await store().list('a/')).toEqual(['x', 'y/', 'z']);
      expect(await store().list('a/y/')).toEqual(['1', '2', 'z/']);
    });

    it('is empty for what does not exist, and forgets a folder with its last key', async () => {
      await write(puts('a/b/c', 'ab/c'));
      expect(await store().list('none/')).toEqual([]);
      expect(await store().list('a/b/c/')).toEqual([]);
      await write(deletes('a/b/c'));
      expect(await store().list('a/')).toEqual([]);
      expect(await store().list('')).toEqual(['ab/']);
    });

    it('orders names beyond the basic plane by bytes, not by UTF-16 units', async () => {
      await write(puts('f/\uffff', 'f/\u{10000}', 'f/\ue000', 'f/é', 'f/z'));
      expect(await store().list('f/')).toEqual(['z', 'é', '\ue000', '\uffff', '\u{10000}']);
    });

    it('comes in pages that together are the whole', async () => {
      const keys = Array.from({ length: 57 }, (_, index) =>
        index % 5 === 0 ? `p/${String(index).padStart(3, '0')}/x` : `p/${String(index).padStart(3, '0')}`,
      );
      await write(puts(...keys, ...keys.filter((key) => key.endsWith('/x')).map((key) => `${key}y`)));
      const whole = await store().list('p/');
      expect(whole).toHaveLength(57);
      for (const limit of [1, 2, 7, 56, 57, 100]) {
        const paged: string[] = [];
        for (;;) {
          const after = paged.at(-1);
          const page = await store().list('p/', { limit, ...(after === undefined ? {} : { after }) });
          expect(page.length).toBeLessThanOrEqual(limit);
          if (page.length === 0) break;
          paged.push(...page);
        }
        expect(paged).toEqual(whole);
      }
    });

    it('begins after a name that need not exist, be it a leaf or a folder', async () => {
      await write(puts('f/b', 'f/b/1', 'f/b/2', 'f/d', 'f/d0'));
      expect(await store().list('f/', { after: '' })).toEqual(['b', 'b/', 'd', 'd0']);
      expect(await store().list('f/', { after: 'a' })).toEqual(['b', 'b/', 'd', 'd0']);
      expect(await store().list('f/', { after: 'b' })).toEqual(['b/', 'd', 'd0']);
      expect(await store().list('f/', { after: 'b/' })).toEqual(['d', 'd0']);
      expect(await store().list('f/', { after: 'c/' })).toEqual(['d', 'd0']);
      expect(await store().list('f/', { after: 'd' })).toEqual(['d0']);
      expect(await store().list('f/', { after: 'e' })).toEqual([]);
      expect(await store().list('f/', { limit: 0 })).toEqual([]);
    });

    it('names a folder once though it holds thousands of keys', async () => {
      await write(puts(...Array.from({ length: 3000 }, (_, index) => `big/sub/${String(index)}`), 'big/t'));
      expect(await store().list('big/')).toEqual(['sub/', 't']);
      expect(await store().list('big/', { limit: 1, after: 'sub/' })).toEqual(['t']);
      expect(await store().list('big/sub/')).toHaveLength(3000);
    });
  });
}
