import { createHash } from 'node:crypto';
import { gunzipSync, gzipSync } from 'node:zlib';
import { extract, pack, type Header } from 'tar-stream';
import { ArchiveError } from './archive-error.ts';
import { parseMeta } from './archive-meta.ts';
import { readArchive, type ReadArchiveOptions } from './read-archive.ts';
import { writeArchive, type ArchiveSource } from './write-archive.ts';

const STATE = Buffer.alloc(3_000_000, 'state of a cluster ');

/** A seal that anyone can break, but not by accident. */
const seal = (bytes: Uint8Array): Uint8Array => Buffer.from(bytes).map((byte) => byte ^ 0x5a);

function sourceOf(state: Uint8Array): ArchiveSource {
  return {
    meta: {
      ID: '2-7',
      Index: 7,
      Term: 2,
      Configuration: { Servers: [{ Suffrage: 'Voter', ID: 'n1', Address: '127.0.0.1:8201' }] },
      Format: 'coffer-snapshot/1',
      ClusterID: 'c1',
    },
    contents: () => inPieces(state),
    seal,
    nowMs: 1_700_000_000_000,
  };
}

async function* inPieces(bytes: Uint8Array, size = 65_537): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) {
    await Promise.resolve();
    yield bytes.subarray(at, at + size);
  }
}

async function written(state: Uint8Array = STATE): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of writeArchive(sourceOf(state))) pieces.push(piece);
  return Buffer.concat(pieces);
}

type File = readonly [header: Partial<Header> & { readonly name: string }, contents: Uint8Array];

async function filesOf(archive: Buffer): Promise<File[]> {
  const tar = extract();
  const files: File[] = [];
  tar.end(gunzipSync(archive));
  for await (const entry of tar) {
    const pieces: Uint8Array[] = [];
    for await (const piece of entry as AsyncIterable<Uint8Array>) pieces.push(piece);
    files.push([{ name: entry.header.name, mode: entry.header.mode }, Buffer.concat(pieces)]);
  }
  return files;
}

async function archiveOf(files: readonly File[]): Promise<Buffer> {
  const tar = pack();
  for (const [header, contents] of files) tar.entry(header, contents);
  tar.finalize();
  const pieces: Uint8Array[] = [];
  for await (const piece of tar as AsyncIterable<Uint8Array>) pieces.push(piece);
  return gzipSync(Buffer.concat(pieces));
}

/** The files, changed and in an archive again. */
const changed = async (change: (files: File[]) => File[]): Promise<Buffer> =>
  archiveOf(change(await filesOf(await written())));

async function read(
  archive: Uint8Array,
  options: Partial<ReadArchiveOptions> = { unseal: seal },
): Promise<{ readonly state: Buffer; readonly index: number }> {
  const pieces: Uint8Array[] = [];
  const meta = await readArchive(inPieces(archive), {
    stateBytesMax: 10_000_000,
    state: async (contents) => {
      for await (const piece of contents) pieces.push(piece);
    },
    ...options,
  });
  return { state: Buffer.concat(pieces), index: meta.Index };
}

describe('an archive', () => {
  it.each([0, 1, 511, 512, 513, STATE.length])('gives back a state of %d bytes', async (size) => {
    const { state, index } = await read(await written(STATE.subarray(0, size)));
    expect(state.equals(STATE.subarray(0, size))).toBe(true);
    expect(index).toBe(7);
  });

  it('has the files that Vault’s clients expect, and is not readable by others', async () => {
    const files = await filesOf(await written());
    expect(files.map(([{ name, mode }]) => [name, mode])).toEqual([
      ['meta.json', 0o600],
      ['state.bin', 0o600],
      ['SHA256SUMS', 0o600],
      ['SHA256SUMS.sealed', 0o600],
    ]);
    const [[, meta], [, state], [, sums]] = files as [File, File, File];
    const hex = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
    expect(Buffer.from(sums).toString()).toBe(`${hex(meta)}  meta.json\n${hex(state)}  state.bin\n`);
    expect(parseMeta(meta)).toMatchObject({ Version: 1, ID: '2-7', Size: STATE.length });
  });

  it('fails where the state cannot be read to its end, and reads no further where nobody listens', async () => {
    let reads = 0;
    let closed = false;
    const source: ArchiveSource = {
      ...sourceOf(STATE),
      contents: async function* () {
        reads++;
        try {
          for await (const piece of inPieces(STATE)) {
            yield piece;
            if (reads === 2) throw new Error('the disk is gone');
          }
        } finally {
          closed = true;
        }
      },
    };
    await expect(async () => {
      for await (const piece of writeArchive(source)) expect(piece.length).toBeGreaterThan(0);
    }).rejects.toThrow('the disk is gone');
    closed = false;
    reads = 2;
    for await (const piece of writeArchive({ ...source, contents: () => inPieces(STATE, 100) })) {
      expect(piece.length).toBeGreaterThan(0);
      break;
    }
    expect(closed).toBe(false);
  });

  it('says whose keys it was sealed with, unless it is not asked', async () => {
    const archive = await written();
    const unseal = (): never => {
      throw new Error('other keys');
    };
    await expect(read(archive, { unseal })).rejects.toMatchObject({ code: 'other-keys' });
    expect((await read(archive, {})).index).toBe(7);
  });
});

describe('what is refused', () => {
  const cases: readonly [string, () => Promise<Uint8Array>, string, string][] = [
    ['nothing', () => Promise.resolve(Buffer.alloc(0)), 'damaged', ''],
    ['bytes of another kind', () => Promise.resolve(Buffer.from('not a snapshot at all')), 'damaged', 'gzip'],
    ['gzip of another kind', () => Promise.resolve(gzipSync('x'.repeat(5000))), 'damaged', 'tar'],
    ['an archive without files', () => archiveOf([]), 'damaged', 'incomplete'],
    ['one that is cut short', async () => (await written()).subarray(0, 9000), 'damaged', 'gzip'],
    ['one that lacks its last byte', async () => (await written()).subarray(0, -1), 'damaged', 'gzip'],
    [
      'a tar file that is cut short',
      async () => gzipSync(gunzipSync(await written()).subarray(0, 1_000_000)),
      'damaged',
      'tar',
    ],
    ['one without its metadata', () => changed((files) => files.slice(1)), 'damaged', 'does not come before'],
    ['one without its state', () => changed(([meta, , ...rest]) => [meta as File, ...rest]), 'damaged', 'incomplete'],
    ['one without its sums', () => changed((files) => files.filter((_, at) => at !== 2)), 'damaged', 'incomplete'],
    ['one without its sealed sums', () => changed((files) => files.slice(0, 3)), 'damaged', 'SHA256SUMS.sealed'],
    ['a file twice', () => changed((files) => [...files, files[0] as File]), 'damaged', 'meta.json twice'],
    ['its state twice', () => changed((files) => [...files, files[1] as File]), 'damaged', 'state.bin twice'],
    ...['../meta.json', '/etc/passwd', './state.bin', 'state.bin/../x', 'other'].map(
      (name): [string, () => Promise<Uint8Array>, string, string] => [
        `a file named ${name}`,
        () => changed((files) => [...files, [{ name }, Buffer.from('x')]]),
        'damaged',
        'no snapshot has',
      ],
    ),
    [
      'a link in the place of a file',
      () =>
        changed(([meta, ...rest]) => [
          [{ name: 'meta.json', type: 'symlink', linkname: '/etc/passwd' }, Buffer.alloc(0)],
          meta as File,
          ...rest,
        ]),
      'damaged',
      'not a plain file',
    ],
    [
      'a folder in the place of a file',
      () => changed((files) => [...files, [{ name: 'state.bin', type: 'directory' }, Buffer.alloc(0)]]),
      'damaged',
      'not a plain file',
    ],
    [
      'a state that was changed',
      () =>
        changed(([meta, state, ...rest]) => {
          const contents = Buffer.from((state as File)[1]);
          contents[1_500_000] = 0;
          return [meta as File, [{ name: 'state.bin' }, contents], ...rest];
        }),
      'damaged',
      'hash check failed for "state.bin"',
    ],
    [
      'metadata that were changed',
      () =>
        changed(([meta, ...rest]) => [
          [
            { name: 'meta.json' },
            Buffer.from(
              Buffer.from((meta as File)[1])
                .toString()
                .replace('"Index":7', '"Index":8'),
            ),
          ],
          ...rest,
        ]),
      'damaged',
      'hash check failed for "meta.json"',
    ],
    [
      'state and sums that were changed together',
      () =>
        changed(([meta, , , sealed]) => {
          const state = Buffer.alloc(STATE.length, 'another');
          const hex = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
          const sums = `${hex((meta as File)[1])}  meta.json\n${hex(state)}  state.bin\n`;
          return [
            meta as File,
            [{ name: 'state.bin' }, state],
            [{ name: 'SHA256SUMS' }, Buffer.from(sums)],
            sealed as File,
          ];
        }),
      'damaged',
      'hash check failed for "state.bin"',
    ],
    [
      'sums of fewer files',
      () =>
        changed(([meta, state, sums, sealed]) => [
          meta as File,
          state as File,
          [{ name: 'SHA256SUMS' }, (sums as File)[1].subarray(0, 76)],
          sealed as File,
        ]),
      'damaged',
      'lacks the hash of "state.bin"',
    ],
    [
      'sums that are none',
      () =>
        changed((files) => files.map((file) => (file[0].name === 'SHA256SUMS' ? [file[0], Buffer.from('x\n')] : file))),
      'damaged',
      'does not fit',
    ],
    ...[
      '[]',
      '{',
      '{"Version":2}',
      '{"Version":1,"ID":"a","Index":-1}',
      '{"Version":1,"ID":"a","Index":1,"Term":1,"Size":"9"}',
      'null',
    ].map((text): [string, () => Promise<Uint8Array>, string, string] => [
      `the metadata ${text}`,
      () => changed(([, ...rest]) => [[{ name: 'meta.json' }, Buffer.from(text)], ...rest]),
      'damaged',
      'meta.json',
    ]),
    [
      'a state of another size than was told',
      () => changed(([meta, , ...rest]) => [meta as File, [{ name: 'state.bin' }, Buffer.alloc(100)], ...rest]),
      'damaged',
      'has not the size',
    ],
    ['a state that is too large', () => written(Buffer.alloc(10_000_001)), 'too-large', '10000001 bytes'],
    [
      'metadata that are too large',
      () => changed(([, ...rest]) => [[{ name: 'meta.json' }, Buffer.alloc(2 << 20, ' ')], ...rest]),
      'too-large',
      'meta.json is larger',
    ],
  ];
  it.each(cases)('%s', async (_, archive, code, text) => {
    const error: unknown = await read(await archive()).catch((failure: unknown) => failure);
    expect(error).toBeInstanceOf(ArchiveError);
    expect(error).toMatchObject({ code, message: expect.stringContaining(text) });
  });

  it('one that is cut short anywhere, and arrives slowly', async () => {
    const whole = await written(createHash('sha512').update('x').digest());
    async function* slowly(end: number): AsyncGenerator<Uint8Array> {
      for await (const piece of inPieces(whole.subarray(0, end), 300)) {
        yield piece;
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    }
    const state = async (contents: AsyncIterable<Uint8Array>): Promise<void> => {
      for await (const piece of contents) expect(piece.length).toBeGreaterThan(0);
    };
    for (let end = 0; end < whole.length; end += 13)
      await expect(readArchive(slowly(end), { stateBytesMax: 1000, state })).rejects.toMatchObject({ code: 'damaged' });
  });

  it('a bomb: a gigabyte of nothing behind the files', async () => {
    const whole = gunzipSync(await written());
    const bomb = Buffer.concat([gzipSync(whole), gzipSync(Buffer.alloc(64 << 20))]);
    await expect(read(bomb)).rejects.toMatchObject({ code: 'too-large' });
  });

  it('a bomb: a header that goes on and on', async () => {
    // Extended headers are held in memory until they are complete.
    const header = Buffer.alloc(512);
    header.write('././@PaxHeader', 0);
    header.write('0000644\0', 100);
    header.write('77777777777\0', 124);
    header.write('        x', 148);
    header.write('ustar\x0000', 257);
    let sum = 0;
    for (const byte of header) sum += byte;
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    const bomb = gzipSync(Buffer.concat([header, Buffer.alloc(64 << 20)]));
    await expect(read(bomb)).rejects.toMatchObject({ code: 'damaged' });
  });

  it('what is no good from the start, though the rest never comes', async () => {
    const archive = await changed((files) => [[{ name: 'other' }, Buffer.alloc(100_000, 'x')], ...files]);
    let released: () => void = () => undefined;
    const never = new Promise<void>((resolve) => (released = resolve));
    async function* stalled(): AsyncGenerator<Uint8Array> {
      yield archive;
      await never;
    }
    const state = (): Promise<void> => Promise.resolve();
    await expect(readArchive(stalled(), { stateBytesMax: 1, state })).rejects.toMatchObject({ code: 'damaged' });
    released();
  });

  it('what its reader refuses', async () => {
    const state = async (contents: AsyncIterable<Uint8Array>): Promise<void> => {
      for await (const piece of contents) if (piece.length > 0) throw new Error('not this one');
    };
    await expect(read(await written(), { state })).rejects.toThrow('not this one');
  });
});
