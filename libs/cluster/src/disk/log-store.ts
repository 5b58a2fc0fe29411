import { assert } from '@coffer/kernel';
import { StorageError } from '@coffer/storage';
import type { Entry, LogIndex, LogReader, Term } from 'raft-ts';
import { decodeChunk, decodeChunkHeader, encodeChunk, entryBytes } from './chunk.codec.ts';

/** The largest chunk, in bytes, unless a single entry is larger. */
const CHUNK_BYTES_MAX = 1 << 20;
/** So many bytes of the newest chunks stay decoded, for followers that keep up. */
const RECENT_BYTES_MAX = 16 << 20;

interface Chunk {
  readonly first: LogIndex;
  readonly last: LogIndex;
  readonly term: Term;
  readonly bytes: number;
  /** Decoded, while it is among the newest or not yet on disk. */
  entries: readonly Entry[] | undefined;
}

/** Where the log's changes go: a LevelDB batch. */
export interface LogBatch {
  put(key: string, value: Uint8Array): unknown;
  del(key: string): unknown;
}

/** The key of the chunk that begins with an index, so that chunks sort by index. */
export function chunkKey(first: LogIndex): string {
  return `l${first.toString(16).padStart(14, '0')}`;
}

/** Keys of all chunks: from (inclusive), to (exclusive). */
export const CHUNK_KEYS = { gte: 'l', lt: 'm' } as const;

/**
 * The raft log as chunks in LevelDB, with an index of the chunks in memory. It adds its changes to batches that the
 * disk writes; reads are synchronous.
 */
export class LogStore implements LogReader {
  readonly #read: (key: string) => Uint8Array | undefined;
  #chunks: Chunk[] = [];
  #cut: LogIndex;
  #cutTerm: Term;
  #bytes = 0;
  /** Chunks from here on may be decoded; before, none is. */
  #recentFrom = 0;
  #recentBytes = 0;

  /**
   * @param read reads a chunk by its key
   * @param cut the last entry before the log's first, and its term
   */
  constructor(read: (key: string) => Uint8Array | undefined, cut: LogIndex, cutTerm: Term) {
    this.#read = read;
    this.#cut = cut;
    this.#cutTerm = cutTerm;
  }

  /**
   * Takes a chunk that was found on disk, in the order of keys.
   *
   * @throws StorageError `corrupt` where the chunks do not fit together
   */
  load(value: Uint8Array): void {
    const { first, last, term } = decodeChunkHeader(value);
    const previousTerm = this.term(this.lastIndex()) ?? 0;
    if (first !== this.lastIndex() + 1 || term < previousTerm) {
      throw new StorageError('corrupt', 'the log on disk has a gap or is out of order');
    }
    this.#chunks.push({ first, last, term, bytes: value.length, entries: undefined });
    this.#recentFrom = this.#chunks.length;
    this.#bytes += value.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get count(): number {
    return this.lastIndex() - this.#cut;
  }

  get cut(): LogIndex {
    return this.#cut;
  }

  get cutTerm(): Term {
    return this.#cutTerm;
  }

  firstIndex(): LogIndex {
    return this.#cut + 1;
  }

  lastIndex(): LogIndex {
    return this.#chunks.at(-1)?.last ?? this.#cut;
  }

  term(index: LogIndex): Term | undefined {
    if (index === this.#cut) return this.#cutTerm;
    return this.#chunks[this.#find(index)]?.term;
  }

  entries(from: LogIndex, to: LogIndex, bytesMax: number): readonly Entry[] | undefined {
    if (from <= this.#cut) return undefined;
    assert(from < to && to <= this.lastIndex() + 1, 'only stable entries are asked for');
    const found: Entry[] = [];
    let bytes = 0;
    for (let at = this.#find(from); at < this.#chunks.length; at++) {
      for (const entry of this.#decoded(this.#chunks[at] as Chunk)) {
        if (entry.index < from) continue;
        if (entry.index >= to) return found;
        bytes += entryBytes(entry);
        if (bytes > bytesMax && found.length > 0) return found;
        found.push(entry);
      }
    }
    return found;
  }

  /** Appends entries; one at an index that exists replaces it and all that follow. */
  append(entries: readonly Entry[], batch: LogBatch): void {
    const first = entries[0];
    if (first === undefined) return;
    assert(first.index > this.#cut, 'what was cut off is never written again');
    assert(first.index <= this.lastIndex() + 1, 'the log has no gap');
    if (first.index <= this.lastIndex()) this.#cutBack(first.index, batch);
    let start = 0;
    let bytes = 0;
    for (let at = 0; at <= entries.length; at++) {
      const entry = entries[at];
      const size = entry === undefined ? 0 : entryBytes(entry);
      const full = at > start && bytes + size > CHUNK_BYTES_MAX;
      if (at > start && (entry === undefined || full || entry.term !== entries[start]?.term)) {
        this.#put(entries.slice(start, at), batch);
        start = at;
        bytes = 0;
      }
      bytes += size;
    }
  }

  /**
   * Cuts whole chunks off the front, up to an index at most.
   *
   * @returns how many bytes were given up
   */
  cutFront(upTo: LogIndex, batch: LogBatch): number {
    let count = 0;
    let bytes = 0;
    for (const chunk of this.#chunks) {
      if (chunk.last > upTo) break;
      batch.del(chunkKey(chunk.first));
      if (count >= this.#recentFrom && chunk.entries !== undefined) this.#recentBytes -= chunk.bytes;
      bytes += chunk.bytes;
      count++;
      this.#cut = chunk.last;
      this.#cutTerm = chunk.term;
    }
    this.#chunks.splice(0, count);
    this.#recentFrom = Math.max(0, this.#recentFrom - count);
    this.#bytes -= bytes;
    return bytes;
  }

  /** Up to where the front has to go so that at most so many entries and bytes are left. */
  cutTarget(entriesMax: number, bytesMax: number): LogIndex {
    let bytes = this.#bytes;
    let target = this.#cut;
    for (const chunk of this.#chunks) {
      if (bytes <= bytesMax && this.lastIndex() - target <= entriesMax) break;
      bytes -= chunk.bytes;
      target = chunk.last;
    }
    return target;
  }

  /** Throws the whole log away: a snapshot stands for everything up to `cut`. */
  replace(cut: LogIndex, cutTerm: Term, batch: LogBatch): void {
    for (const chunk of this.#chunks) batch.del(chunkKey(chunk.first));
    this.#chunks = [];
    this.#cut = cut;
    this.#cutTerm = cutTerm;
    this.#bytes = 0;
    this.#recentFrom = 0;
    this.#recentBytes = 0;
  }

  /** Everything so far is on disk: old decoded chunks may go. */
  written(): void {
    while (this.#recentBytes > RECENT_BYTES_MAX && this.#recentFrom < this.#chunks.length) {
      const chunk = this.#chunks[this.#recentFrom++] as Chunk;
      if (chunk.entries !== undefined) this.#recentBytes -= chunk.bytes;
      chunk.entries = undefined;
    }
  }

  #put(entries: readonly Entry[], batch: LogBatch): void {
    const { index, term } = entries[0] as Entry;
    const value = encodeChunk(entries, index, term);
    batch.put(chunkKey(index), value);
    this.#chunks.push({ first: index, last: index + entries.length - 1, term, bytes: value.length, entries });
    this.#bytes += value.length;
    this.#recentBytes += value.length;
  }

  /** Removes everything from an index on. */
  #cutBack(from: LogIndex, batch: LogBatch): void {
    for (;;) {
      const chunk = this.#chunks.at(-1);
      if (chunk === undefined || chunk.last < from) return;
      const kept = chunk.first < from ? this.#decoded(chunk).slice(0, from - chunk.first) : [];
      this.#chunks.pop();
      this.#bytes -= chunk.bytes;
      if (chunk.entries !== undefined) this.#recentBytes -= chunk.bytes;
      this.#recentFrom = Math.min(this.#recentFrom, this.#chunks.length);
      if (kept.length === 0) batch.del(chunkKey(chunk.first));
      else this.#put(kept, batch);
    }
  }

  #decoded(chunk: Chunk): readonly Entry[] {
    if (chunk.entries !== undefined) return chunk.entries;
    const value = this.#read(chunkKey(chunk.first));
    if (value === undefined) throw new StorageError('corrupt', 'a chunk of the log is missing');
    return decodeChunk(value);
  }

  /** The place of the chunk that holds an index, or -1. */
  #find(index: LogIndex): number {
    let low = 0;
    let high = this.#chunks.length - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const chunk = this.#chunks[middle] as Chunk;
      if (index < chunk.first) high = middle - 1;
      else if (index > chunk.last) low = middle + 1;
      else return middle;
    }
    return -1;
  }
}
