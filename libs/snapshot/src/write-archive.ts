import { createHash } from 'node:crypto';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { pack, type Pack } from 'tar-stream';
import { META_FILE, SEALED_SUMS_FILE, STATE_FILE, SUMS_FILE } from './archive-meta.ts';
import type { ArchiveMeta } from './archive-meta.ts';
import { encodeSums } from './sums.ts';

/** What goes into an archive. */
export interface ArchiveSource {
  readonly meta: Omit<ArchiveMeta, 'Size' | 'Version' | 'ConfigurationIndex'>;
  /** Streams `state.bin`. Called twice, since a tar file names sizes before contents; gives the same bytes each time. */
  contents(): AsyncIterable<Uint8Array>;
  /** Encrypts the sums, so that only who has the keys can make an archive that is taken without force. */
  seal(sums: Uint8Array): Uint8Array;
  /** The time of the files, in milliseconds since 1970. */
  readonly nowMs: number;
}

/** Values are encrypted and do not get smaller; their keys do. */
const COMPRESSION_LEVEL = 1;
/** Each piece costs a turn of the thread pool, however short it is. */
const PIECE_BYTES = 256 << 10;

/** Streams the archive of a snapshot: a tar file, compressed by gzip. */
export async function* writeArchive(source: ArchiveSource): AsyncGenerator<Uint8Array> {
  const { size, sum } = await measure(source.contents());
  const tar = pack();
  const gzip = createGzip({ level: COMPRESSION_LEVEL, chunkSize: PIECE_BYTES });
  const piped = pipeline(tar as unknown as NodeJS.ReadableStream, gzip);
  const written = fill(tar, source, size, sum).catch((error: unknown) => {
    tar.destroy(error as Error);
  });
  // Its failure is that of the iteration, too.
  piped.catch(() => undefined);
  try {
    for await (const piece of gzip) yield piece as Uint8Array;
    await piped;
  } finally {
    // Also where the reader gives up: nothing more is read from the state then.
    gzip.destroy();
    tar.destroy(null);
    await written;
  }
}

async function measure(contents: AsyncIterable<Uint8Array>): Promise<{ readonly size: number; readonly sum: string }> {
  const hash = createHash('sha256');
  let size = 0;
  for await (const piece of contents) {
    hash.update(piece);
    size += piece.length;
  }
  return { size, sum: hash.digest('hex') };
}

async function fill(tar: Pack, source: ArchiveSource, size: number, sum: string): Promise<void> {
  const mtime = new Date(source.nowMs);
  const file = (name: string, bytes: number): { name: string; size: number; mode: number; mtime: Date } => {
    return { name, size: bytes, mode: 0o600, mtime };
  };
  const small = (name: string, bytes: Uint8Array): void => {
    tar.entry(file(name, bytes.length), Buffer.from(bytes));
  };
  const meta = metaOf(source, size);
  small(META_FILE, meta);
  const entry = tar.entry(file(STATE_FILE, size));
  // It ends with the archive, whose failure is told there.
  entry.on('error', () => undefined);
  for await (const piece of source.contents()) {
    if (tar.destroyed) return;
    if (!entry.write(piece)) await either(entry, 'drain', tar);
  }
  const finished = either(entry, 'finish', tar);
  entry.end(null);
  await finished;
  if (tar.destroyed) return;
  const sums = encodeSums({ meta: createHash('sha256').update(meta).digest('hex'), state: sum });
  small(SUMS_FILE, sums);
  small(SEALED_SUMS_FILE, source.seal(sums));
  tar.finalize();
}

/** Waits for an event, or for the end of the archive that it is part of. */
function either(entry: ReturnType<Pack['entry']>, event: 'drain' | 'finish', tar: Pack): Promise<void> {
  if (tar.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      entry.off(event, done);
      tar.off('close', done);
      resolve();
    };
    entry.on(event, done);
    tar.on('close', done);
  });
}

function metaOf({ meta }: ArchiveSource, size: number): Uint8Array {
  const { ID, Index, Term, Configuration, Format, ClusterID } = meta;
  const whole: ArchiveMeta = {
    Version: 1,
    ID,
    Index,
    Term,
    Configuration,
    ConfigurationIndex: Index,
    Size: size,
    Format,
    ClusterID,
  };
  return Buffer.from(`${JSON.stringify(whole)}\n`);
}
