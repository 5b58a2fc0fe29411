import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { createGunzip, type Gunzip } from 'node:zlib';
import { extract, type Extract } from 'tar-stream';
import { ArchiveError } from './archive-error.ts';
import { META_FILE, SEALED_SUMS_FILE, STATE_FILE, SUMS_FILE, parseMeta } from './archive-meta.ts';
import type { ArchiveMeta } from './archive-meta.ts';
import { checkSums } from './sums.ts';
import type { Sums } from './sums.ts';

export interface ReadArchiveOptions {
  /** The largest `state.bin`, in bytes. */
  readonly stateBytesMax: number;
  /** Takes in `state.bin` while it is read. What it got counts only once `readArchive` resolves. */
  readonly state: (contents: AsyncIterable<Uint8Array>, meta: ArchiveMeta) => Promise<void>;
  /** Decrypts the sealed sums; left out, they are not looked at. @throws where they were sealed with other keys */
  readonly unseal?: (sealed: Uint8Array) => Uint8Array;
}

/** Each piece costs a turn of the thread pool, however short it is. */
const PIECE_BYTES = 256 << 10;
/** The largest file beside `state.bin`, in bytes. */
const SMALL_BYTES_MAX = 1 << 20;
/** So much may be unpacked beyond what files were given out, in bytes: headers, padding, what is on its way. */
const UNSEEN_BYTES_MAX = 4 << 20;

type Entry = Extract extends AsyncIterable<infer E> ? E : never;

const KNOWN: ReadonlySet<string> = new Set([META_FILE, STATE_FILE, SUMS_FILE, SEALED_SUMS_FILE]);

/**
 * Reads the archive of a snapshot and verifies all of it, in bounded memory.
 *
 * @throws ArchiveError, or what `state` throws
 */
export async function readArchive(
  archive: AsyncIterable<Uint8Array>,
  options: ReadArchiveOptions,
): Promise<ArchiveMeta> {
  const tar = extract();
  const reading = new Reading(options);
  const source = Readable.from(archive, { objectMode: false });
  const gunzip = createGunzip({ chunkSize: PIECE_BYTES });
  source.on('error', (error) => gunzip.destroy(error));
  source.pipe(gunzip);
  const feeding = feed(gunzip, tar, reading);
  let failure: { readonly error: unknown } | undefined;
  try {
    for await (const entry of tar) await reading.take(entry);
  } catch (error) {
    failure = { error };
  }
  reading.ended();
  tar.destroy(null);
  source.destroy();
  gunzip.destroy();
  const fed = await feeding;
  // What went wrong first is in the feed where that broke off: the extraction only noticed it.
  if (fed !== undefined) throw told(fed.error);
  if (failure !== undefined) throw told(failure.error);
  return reading.finish();
}

/** Unpacks and hands on, no faster than it is taken in. @returns how it failed, if so */
async function feed(gunzip: Gunzip, tar: Extract, reading: Reading): Promise<{ readonly error: unknown } | undefined> {
  try {
    for await (const piece of gunzip) {
      if (tar.destroyed) return undefined;
      reading.unpacked((piece as Uint8Array).length);
      if (!tar.write(piece as Buffer)) await drained(tar);
    }
    tar.end(null);
    return undefined;
  } catch (error) {
    if (reading.over) return undefined;
    // Without an error its iterator could wait for ever.
    tar.destroy(error as Error);
    return { error };
  }
}

function drained(tar: Extract): Promise<void> {
  if (tar.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      tar.off('drain', done);
      tar.off('close', done);
      resolve();
    };
    tar.on('drain', done);
    tar.on('close', done);
  });
}

/** Errors of gzip and tar mean one thing. */
function told(error: unknown): unknown {
  const code = (error as { readonly code?: unknown }).code;
  if (typeof code === 'string' && (code.startsWith('Z_') || code === 'ERR_STREAM_PREMATURE_CLOSE')) {
    return new ArchiveError('damaged', 'this is no complete gzip file', { cause: error });
  }
  const fromTar =
    error instanceof Error && error.constructor === Error && /header|tar|end of data/i.test(error.message);
  return fromTar ? new ArchiveError('damaged', 'this is no complete tar file', { cause: error }) : error;
}

/** What was seen of one archive. */
class Reading {
  readonly #options: ReadArchiveOptions;
  readonly #small = new Map<string, Uint8Array>();
  #meta: ArchiveMeta | undefined;
  #stateSum: string | undefined;
  #unseen = 0;
  #over = false;

  constructor(options: ReadArchiveOptions) {
    this.#options = options;
  }

  /** Whether it has come to an end, good or bad: what breaks off from then on means nothing. */
  get over(): boolean {
    return this.#over;
  }

  ended(): void {
    this.#over = true;
  }

  /** @throws ArchiveError `too-large` where it unpacks to what is no part of any file: a bomb */
  unpacked(bytes: number): void {
    this.#unseen += bytes;
    if (this.#unseen > UNSEEN_BYTES_MAX)
      throw new ArchiveError('too-large', 'the archive unpacks to more than its files');
  }

  async take(entry: Entry): Promise<void> {
    const { name, type, size } = entry.header;
    if (!KNOWN.has(name)) throw new ArchiveError('damaged', 'the archive holds a file that no snapshot has');
    if (type !== 'file') throw new ArchiveError('damaged', `${name} is not a plain file`);
    if (this.#small.has(name) || (name === STATE_FILE && this.#stateSum !== undefined))
      throw new ArchiveError('damaged', `the archive holds ${name} twice`);
    if (name === STATE_FILE) await this.#takeState(entry, size);
    else await this.#takeSmall(entry, name, size);
  }

  async #takeSmall(entry: Entry, name: string, size: number): Promise<void> {
    if (size > SMALL_BYTES_MAX) throw new ArchiveError('too-large', `${name} is larger than it may be`);
    const pieces: Uint8Array[] = [];
    for await (const piece of this.#seen(entry)) pieces.push(piece);
    const bytes = Buffer.concat(pieces);
    this.#small.set(name, bytes);
    if (name === META_FILE) this.#meta = parseMeta(bytes);
  }

  async #takeState(entry: Entry, size: number): Promise<void> {
    const meta = this.#meta;
    if (meta === undefined) throw new ArchiveError('damaged', `${META_FILE} does not come before ${STATE_FILE}`);
    if (meta.Size !== size) throw new ArchiveError('damaged', `${STATE_FILE} has not the size that ${META_FILE} tells`);
    if (size > this.#options.stateBytesMax)
      throw new ArchiveError(
        'too-large',
        `${STATE_FILE} has ${String(size)} bytes, and at most ${String(this.#options.stateBytesMax)} are accepted`,
      );
    const hash = createHash('sha256');
    await this.#options.state(hashed(this.#seen(entry), hash), meta);
    this.#stateSum = hash.digest('hex');
  }

  async *#seen(entry: Entry): AsyncGenerator<Uint8Array> {
    for await (const piece of entry as AsyncIterable<Uint8Array>) {
      this.#unseen -= piece.length;
      yield piece;
    }
  }

  finish(): ArchiveMeta {
    const meta = this.#small.get(META_FILE);
    const listed = this.#small.get(SUMS_FILE);
    if (meta === undefined || this.#meta === undefined || this.#stateSum === undefined || listed === undefined)
      throw new ArchiveError('damaged', 'the archive is incomplete');
    const actual: Sums = { meta: createHash('sha256').update(meta).digest('hex'), state: this.#stateSum };
    checkSums(listed, actual, SUMS_FILE);
    const sealed = this.#small.get(SEALED_SUMS_FILE);
    if (sealed === undefined || sealed.length === 0)
      throw new ArchiveError('damaged', `the archive is incomplete: ${SEALED_SUMS_FILE} is missing`);
    if (this.#options.unseal) checkSums(this.#unsealed(sealed, this.#options.unseal), actual, SEALED_SUMS_FILE);
    return this.#meta;
  }

  #unsealed(sealed: Uint8Array, unseal: (sealed: Uint8Array) => Uint8Array): Uint8Array {
    try {
      return unseal(sealed);
    } catch (cause) {
      throw new ArchiveError(
        'other-keys',
        'could not verify hash file, possibly the snapshot is using a different set of unseal keys; use the snapshot-force API to bypass this check',
        { cause },
      );
    }
  }
}

async function* hashed(
  contents: AsyncIterable<Uint8Array>,
  hash: { update(bytes: Uint8Array): unknown },
): AsyncGenerator<Uint8Array> {
  for await (const piece of contents) {
    hash.update(piece);
    yield piece;
  }
}
