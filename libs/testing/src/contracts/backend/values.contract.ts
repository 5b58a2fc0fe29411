import { KEY_BYTES_MAX, StorageError } from '@coffer/storage';
import type { WriteOp } from '@coffer/storage';
import { UNUSUAL_KEYS, END, bytes, byBytes, puts, deletes } from './trial.ts';
import type { BackendTraits, SetUp } from './trial.ts';

/** What is read under a key. */
export function describeValues({ store, write, read }: SetUp, traits: BackendTraits): void {
  describe('values', () => {
    it('are read as they were written, until they are overwritten or deleted', async () => {
      expect(await store().get('a')).toBeUndefined();
      await write([{ kind: 'put', key: 'a', value: bytes('one') }]);
      expect(await read('a')).toBe('one');
      await write([{ kind: 'put', key: 'a', value: bytes('two') }]);
      expect(await read('a')).toBe('two');
      await write(deletes('a'));
      expect(await store().get('a')).toBeUndefined();
    });

    it('may hold any bytes, or none', async () => {
      const every = Uint8Array.from({ length: 256 }, (_, index) => index);
      await write([
        { kind: 'put', key: 'every', value: every },
        { kind: 'put', key: 'none', value: new Uint8Array(0) },
      ]);
      expect(Buffer.from((await store().get('every')) ?? bytes('')).equals(every)).toBe(true);
      expect((await store().get('none'))?.length).toBe(0);
    });

    it('may be large', async () => {
      const value = new Uint8Array(traits.valueBytes ?? 1 << 20).map((_, index) => (index * 31) & 0xff);
      await write([{ kind: 'put', key: 'large', value }]);
      expect(Buffer.from((await store().get('large')) ?? bytes('')).equals(value)).toBe(true);
    });

    const refused = traits.valueBytesRefused;
    if (refused !== undefined) {
      it('are refused where they are too large, with nothing written', async () => {
        const ops: WriteOp[] = [...puts('small'), { kind: 'put', key: 'large', value: new Uint8Array(refused) }];
        await expect(write(ops)).rejects.toMatchObject({ name: 'StorageError', code: 'too-large' });
        expect(await store().get('small')).toBeUndefined();
        await write(puts('small'));
      });
    }

    it('are those at the time of writing, whatever the caller does with its buffer afterwards', async () => {
      const value = bytes('before');
      const written = write([{ kind: 'put', key: 'a', value }]);
      await written;
      value.fill(0);
      expect(await read('a')).toBe('before');
    });

    it('lie under whole keys: neither a folder nor a longer or shorter name is the same', async () => {
      await write(puts('a/b/c'));
      for (const key of ['a', 'a/', 'a/b', 'a/b/', 'a/b/c/', 'a/b/cd', 'A/b/c'])
        expect(await store().get(key)).toBeUndefined();
      await write(deletes('a/b', 'a/', 'a'));
      expect(await read('a/b/c')).toBe('value of a/b/c');
    });

    it('lie under unusual keys as well', async () => {
      await write(puts(...UNUSUAL_KEYS));
      for (const key of UNUSUAL_KEYS) expect(await read(key)).toBe(`value of ${key}`);
      expect(await store().keys({ from: '', to: END })).toEqual([...UNUSUAL_KEYS].sort(byBytes));
      for (const key of UNUSUAL_KEYS) {
        await write(deletes(key));
        expect(await store().get(key)).toBeUndefined();
      }
      expect(await store().list('')).toEqual([]);
    });

    it('lie under keys up to the documented length', async () => {
      const longest = `${'k'.repeat(KEY_BYTES_MAX - 1)}/`.slice(1) + 'x';
      expect(Buffer.byteLength(longest)).toBe(KEY_BYTES_MAX);
      await write(puts(longest));
      expect(await read(longest)).toBe(`value of ${longest}`);
      const wide = 'é'.repeat(KEY_BYTES_MAX / 2 + 1);
      for (const key of [`${longest}y`, wide]) {
        await expect(write([...puts('beside'), ...puts(key)])).rejects.toMatchObject({ code: 'too-large' });
      }
      expect(await store().get('beside')).toBeUndefined();
    });

    it('do not lie under keys that have no bytes (halves of surrogate pairs)', async () => {
      await expect(write(puts('a\ud800'))).rejects.toBeInstanceOf(StorageError);
    });
  });
}
