import { KEY_BYTES_MAX, StorageError } from '@coffer/storage';
import type { AppliedBatch, Backend, Epoch, WriteOp } from '@coffer/storage';

/** A store to be tried, and how to handle it. */
export interface BackendUnderTest {
  /** Open, empty and active. */
  readonly backend: Backend;
  /** The epoch under which it takes batches now. */
  epoch(): Epoch;
  /**
   * Closes the backend and opens the same data anew; left out for a store that ends with its process. The store that was
   * handed out before is used no more.
   */
  readonly reopen?: () => Promise<Backend>;
  /** Frees what was needed; called after each test, when the backend may be closed already. */
  readonly dispose?: () => Promise<void>;
}

export interface BackendTraits {
  /** The largest value that is tried, in bytes; 1 MiB if left out. */
  readonly valueBytes?: number;
  /** A value of so many bytes is refused as `too-large`; not tried if left out. */
  readonly valueBytesRefused?: number;
}

/** Keys that a careless store gets wrong: separators, patterns and escapes of files, SQL, URLs and this store itself. */
const UNUSUAL_KEYS = [
  'a b/c',
  'it\'s/"quoted"',
  '%/_/%25',
  '*?[a-z]{b,c}',
  '\\back\\slash',
  '..dots../.hidden',
  '__proto__/constructor',
  'tab\there/new\nline',
  'nul\u0000byte',
  'ünï/cödé/日本語',
  '\ue000/private',
  '\u{1f511}/key',
  '-',
  '0',
  'UPPER/lower',
  'upper/lower',
  'e\u0301/decomposed',
  '\u00e9/composed',
] as const;

const END = '\u{10ffff}';

const bytes = (value: string): Uint8Array => new TextEncoder().encode(value);
const text = (value: Uint8Array | undefined): string | undefined =>
  value === undefined ? undefined : new TextDecoder().decode(value);
const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

const puts = (...keys: readonly string[]): WriteOp[] =>
  keys.map((key) => ({ kind: 'put', key, value: bytes(`value of ${key}`) }));
const deletes = (...keys: readonly string[]): WriteOp[] => keys.map((key) => ({ kind: 'delete', key }));

/** Some store may throw where another rejects. */
const outcome = async (work: () => unknown): Promise<unknown> => {
  try {
    return await work();
  } catch (error) {
    return error;
  }
};

/**
 * What every `Backend` promises, as tests. Call it at the top level of a spec file.
 *
 * @param make makes an empty store for each test
 * @example
 *   describeBackend('inmem', () => Promise.resolve({ backend: new InmemBackend(), epoch: () => 1 }));
 */
export function describeBackend(name: string, make: () => Promise<BackendUnderTest>, traits: BackendTraits = {}): void {
  describe(`the store ${name}`, () => {
    let made: BackendUnderTest;
    const setUp: SetUp = {
      store: () => made.backend,
      made: () => made,
      write: (ops) => made.backend.write({ ops, epoch: made.epoch() }),
      read: async (key) => text(await made.backend.get(key)),
    };

    beforeEach(async () => {
      made = await make();
    });

    afterEach(async () => {
      await made.dispose?.();
    });

    describeValues(setUp, traits);
    describeListing(setUp);
    describeRanges(setUp);
    describeBatches(setUp);
    describeFeed(setUp);
    describeEnd(setUp);
  });
}

interface SetUp {
  store(): Backend;
  made(): BackendUnderTest;
  write(ops: readonly WriteOp[]): ReturnType<Backend['write']>;
  read(key: string): Promise<string | undefined>;
}

function describeValues({ store, write, read }: SetUp, traits: BackendTraits): void {
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

function describeListing({ store, write }: SetUp): void {
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

function describeRanges({ store, write }: SetUp): void {
  describe('a range of keys', () => {
    it('goes from the first (inclusive) to the last (exclusive), in the order of bytes, across folders', async () => {
      await write(puts('due/2', 'due/1/b', 'due/1/a', 'due/3', 'due', 'other'));
      expect(await store().keys({ from: 'due/1/b', to: 'due/3' })).toEqual(['due/1/b', 'due/2']);
      expect(await store().keys({ from: 'due/', to: 'due0' })).toEqual(['due/1/a', 'due/1/b', 'due/2', 'due/3']);
      expect(await store().keys({ from: '', to: END })).toHaveLength(6);
      expect(await store().keys({ from: 'due/3', to: 'due/3' })).toEqual([]);
      expect(await store().keys({ from: 'x', to: 'a' })).toEqual([]);
    });

    it('holds at most as many as asked for: the first ones', async () => {
      await write(puts('k/1', 'k/2', 'k/3'));
      expect(await store().keys({ from: 'k/', to: 'k0', limit: 2 })).toEqual(['k/1', 'k/2']);
      expect(await store().keys({ from: 'k/', to: 'k0', limit: 9 })).toHaveLength(3);
      expect(await store().keys({ from: 'k/', to: 'k0', limit: 0 })).toEqual([]);
    });

    it('agrees with a model, whatever was written and deleted', async () => {
      const model = new Set<string>();
      let state = 3;
      const chance = (below: number): number => {
        state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
        return (state >> 8) % below;
      };
      for (let batch = 0; batch < 40; batch++) {
        const ops: WriteOp[] = [];
        for (let op = chance(20); op >= 0; op--) {
          const key = ['r', 'a', 'b', 'c'].slice(0, 1 + chance(4)).join('/') + String(chance(30));
          if (chance(3) === 0) {
            ops.push(...deletes(key));
            model.delete(key);
          } else {
            ops.push(...puts(key));
            model.add(key);
          }
        }
        await write(ops);
        expect(await store().keys({ from: '', to: END })).toEqual([...model].sort(byBytes));
      }
    });
  });
}

function describeBatches({ store, made, write, read }: SetUp): void {
  describe('a batch', () => {
    it('takes effect in the order of its operations', async () => {
      await write([
        { kind: 'put', key: 'a', value: bytes('one') },
        { kind: 'delete', key: 'a' },
        { kind: 'put', key: 'a', value: bytes('two') },
        { kind: 'put', key: 'b', value: bytes('one') },
        { kind: 'delete', key: 'b' },
        { kind: 'delete', key: 'never' },
      ]);
      expect(await read('a')).toBe('two');
      expect(await store().get('b')).toBeUndefined();
      expect(await store().list('')).toEqual(['a']);
    });

    it('is visible to values, listings and ranges as soon as it is acknowledged', async () => {
      for (let round = 0; round < 20; round++) {
        const key = `v/${String(round)}`;
        await write(puts(key));
        expect(await read(key)).toBe(`value of ${key}`);
        expect(await store().list('v/')).toContain(String(round));
        expect(await store().keys({ from: key, to: `${key}\u0000` })).toEqual([key]);
      }
    });

    it('is visible whole or not at all to a listing that goes on meanwhile', async () => {
      const both = ['pair/a', 'pair/b'];
      const sizes = new Set<number>();
      for (let round = 0; round < 30; round++) {
        const written = write(round % 2 === 0 ? puts(...both) : deletes(...both));
        const seen = await Promise.all([store().list('pair/'), store().keys({ from: 'pair/', to: 'pair0' })]);
        for (const names of seen) sizes.add(names.length);
        await written;
      }
      expect(sizes.has(1)).toBe(false);
    });

    it('may be large, or empty', async () => {
      await write([]);
      const keys = Array.from({ length: 2000 }, (_, index) => `many/${String(index)}`);
      await write(puts(...keys));
      expect(await store().list('many/')).toHaveLength(2000);
    });

    it('gets a higher index than all before it', async () => {
      let last = store().appliedIndex();
      for (let round = 0; round < 10; round++) {
        const { index } = await write(puts(`i/${String(round)}`));
        expect(index).toBeGreaterThan(last);
        expect(store().appliedIndex()).toBeGreaterThanOrEqual(index);
        last = index;
      }
    });

    it('takes effect in the order of the calls, without waiting for each', async () => {
      const written = Array.from({ length: 100 }, (_, round) =>
        write([{ kind: 'put', key: 'last', value: bytes(String(round)) }, ...puts(`each/${String(round)}`)]),
      );
      const indexes = (await Promise.all(written)).map(({ index }) => index);
      expect(indexes).toEqual([...indexes].sort((a, b) => a - b));
      expect(new Set(indexes).size).toBe(100);
      expect(await read('last')).toBe('99');
      expect(await store().list('each/')).toHaveLength(100);
    });

    it('is refused under another epoch, with nothing written', async () => {
      for (const epoch of [made().epoch() + 1, made().epoch() - 1]) {
        const batch = { ops: puts('a'), epoch };
        await expect(store().write(batch)).rejects.toMatchObject({ name: 'StorageError', code: 'epoch-lost' });
      }
      expect(await store().get('a')).toBeUndefined();
      await write(puts('a'));
    });

    it('is read after a read barrier', async () => {
      await write(puts('a'));
      await store().readBarrier();
      expect(await read('a')).toBe('value of a');
    });
  });
}

function describeFeed({ store, write }: SetUp): void {
  describe('the feed', () => {
    it('tells every batch once, in order, with its keys', async () => {
      const told: AppliedBatch[] = [];
      store().subscribe((batch) => told.push(batch));
      const first = await write([...puts('a', 'b'), ...deletes('c')]);
      const second = await write(puts('a'));
      expect(told.map(({ index, keys }) => ({ index, keys: [...keys].sort() }))).toEqual([
        { index: first.index, keys: ['a', 'b', 'c'] },
        { index: second.index, keys: ['a'] },
      ]);
    });

    it('tells it when the new value is there and before the writer knows', async () => {
      const seen: (string | undefined)[] = [];
      const pending: Promise<unknown>[] = [];
      let acknowledged = false;
      store().subscribe(() => {
        expect(acknowledged).toBe(false);
        pending.push(Promise.resolve(store().get('a')).then((value) => seen.push(text(value))));
      });
      await write([{ kind: 'put', key: 'a', value: bytes('new') }]).then(() => {
        acknowledged = true;
      });
      await Promise.all(pending);
      expect(seen).toEqual(['new']);
    });

    it('never lets a value be seen that it has yet to tell of', async () => {
      let toldOf = -1;
      store().subscribe(() => {
        toldOf++;
      });
      for (let round = 0; round < 50; round++) {
        const written = write([{ kind: 'put', key: 'n', value: bytes(String(round)) }]);
        for (let look = 0; look < 5; look++) {
          const value = text(await store().get('n'));
          if (value !== undefined) expect(toldOf).toBeGreaterThanOrEqual(Number(value));
          await new Promise((resolve) => setImmediate(resolve));
        }
        await written;
      }
    });

    it('has as many listeners as there are, until each has enough', async () => {
      const heard: string[] = [];
      const stop = store().subscribe(() => heard.push('one'));
      store().subscribe(() => heard.push('two'));
      await write(puts('a'));
      stop();
      await write(puts('b'));
      expect(heard).toEqual(['one', 'two', 'two']);
    });

    it('tells nothing of what was refused', async () => {
      let told = 0;
      store().subscribe(() => told++);
      await outcome(() => store().write({ ops: puts('a'), epoch: -1 }));
      await outcome(() => write(puts('k'.repeat(KEY_BYTES_MAX + 1))));
      expect(told).toBe(0);
    });
  });
}

function describeEnd({ store, made, write }: SetUp): void {
  describe('the end', () => {
    it('refuses reads and writes once it is closed', async () => {
      await write(puts('a'));
      const epoch = made().epoch();
      await store().close();
      const refused = [
        await outcome(() => store().get('a')),
        await outcome(() => store().list('')),
        await outcome(() => store().keys({ from: '', to: END })),
        await outcome(() => store().write({ ops: puts('b'), epoch })),
      ];
      for (const answer of refused) expect(answer).toBeInstanceOf(StorageError);
    });

    it('may come twice', async () => {
      await store().close();
      await store().close();
    });

    it('loses nothing that was acknowledged, where the store outlives its process', async () => {
      const { reopen } = made();
      if (!reopen) return;
      await write([...puts('a', 'f/b', 'f/c/d'), ...puts(...UNUSUAL_KEYS)]);
      await write(deletes('a'));
      const before = store().appliedIndex();
      const reopened = await reopen();
      expect(reopened.appliedIndex()).toBeGreaterThanOrEqual(before);
      expect(await reopened.get('a')).toBeUndefined();
      expect(await reopened.list('f/')).toEqual(['b', 'c/']);
      for (const key of UNUSUAL_KEYS) expect(text(await reopened.get(key))).toBe(`value of ${key}`);
    });
  });
}
