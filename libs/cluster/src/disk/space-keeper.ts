import { chunkKey, CHUNK_KEYS } from './log-store.ts';
import type { Level } from './open-level.ts';

/** So many bytes cut off the log are given back at once: everything in their range is free, so it costs little. */
const CUT_BYTES_MIN = 16 << 20;
/** Deletes of the state are worth a look from so many on, and when at most so many follow in a while. */
const DELETES_MIN = 10_000;
const QUIET_DELETES_MIN = 500;
/** No deletes for so long is quiet, in milliseconds. */
const QUIET_MS = 5000;
/** How often it looks, and after it looked in vain, in milliseconds. */
const LOOK_MS = 1000;
const LOOK_AGAIN_MS = 10_000;
/** A range is rewritten when so large a part of it is likely free: what is deleted costs a few times its size, not more. */
const FREE_SHARE = 1 / 4;
const QUIET_FREE_SHARE = 1 / 8;
/** After a compaction it rests for so many times as long as that took. */
const REST_FACTOR = 2;
/** Deletes are counted by folders of so many names, and by no more folders than this. */
const FOLDER_DEPTH = 3;
const FOLDERS_MAX = 256;

interface Freed {
  from: string;
  to: string;
  deletes: number;
}

/**
 * Gives the space of what was deleted back to the file system while the node runs: LevelDB by itself does so only when
 * as much again was written. Works in LevelDB's own threads, one range at a time and with rests.
 */
export class SpaceKeeper {
  readonly #db: Level;
  readonly #freed = new Map<string, Freed>();
  #cutBytes = 0;
  /** Of the average record, in bytes, with LevelDB's own. */
  #recordBytes = 256;
  #deletedSince = false;
  #quietSinceMs = 0;
  #lookAtMs = 0;
  /** When the work under way began, if it began in `tend`. */
  #startedAtMs: number | undefined;
  #working: Promise<void> | undefined;

  constructor(db: Level) {
    this.#db = db;
  }

  /** A record was written. */
  wrote(bytes: number): void {
    this.#recordBytes += (bytes + 16 - this.#recordBytes) / 1024;
  }

  /** A record of the state was deleted. */
  deleted(key: string): void {
    this.#deletedSince = true;
    let folder = folderOf(key);
    if (!this.#freed.has(folder) && this.#freed.size >= FOLDERS_MAX) folder = '';
    const freed = this.#freed.get(folder);
    if (freed === undefined) {
      this.#freed.set(folder, { from: key, to: key, deletes: 1 });
      return;
    }
    freed.deletes++;
    if (key < freed.from) freed.from = key;
    if (key > freed.to) freed.to = key;
  }

  /** So many bytes were cut off the front of the log. */
  cut(bytes: number): void {
    this.#cutBytes += bytes;
  }

  /** A whole range was emptied. */
  cleared(from: string, to: string): void {
    this.#work(async () => this.#compact(from, to));
  }

  /**
   * Looks whether something is worth doing; to be called often.
   *
   * @param nowMs by the monotonic clock
   * @param prefix of the state, before each key
   * @param logFirst where the log begins
   */
  tend(nowMs: number, prefix: string, logFirst: number): void {
    if (this.#deletedSince) {
      this.#deletedSince = false;
      this.#quietSinceMs = nowMs;
    }
    if (this.#working !== undefined) return;
    if (this.#startedAtMs !== undefined) {
      this.#lookAtMs = Math.max(this.#lookAtMs, nowMs + (nowMs - this.#startedAtMs) * REST_FACTOR);
      this.#startedAtMs = undefined;
    }
    if (nowMs < this.#lookAtMs) return;
    this.#lookAtMs = nowMs + LOOK_MS;
    if (this.#cutBytes >= CUT_BYTES_MIN) {
      this.#cutBytes = 0;
      this.#startedAtMs = nowMs;
      this.#work(() => this.#compact(CHUNK_KEYS.gte, chunkKey(logFirst)));
      return;
    }
    const quiet = nowMs - this.#quietSinceMs >= QUIET_MS;
    let deletes = 0;
    for (const freed of this.#freed.values()) deletes += freed.deletes;
    if (deletes < (quiet ? QUIET_DELETES_MIN : DELETES_MIN)) return;
    this.#startedAtMs = nowMs;
    this.#work(() => this.#giveBack(prefix, quiet));
  }

  /** Ends; resolves when what is under way is done. */
  async stop(): Promise<void> {
    this.#lookAtMs = Number.POSITIVE_INFINITY;
    await this.#working;
  }

  async #giveBack(prefix: string, quiet: boolean): Promise<void> {
    for (const [folder, freed] of this.#freed) {
      const from = prefix + freed.from;
      const to = prefix + freed.to;
      const size = await this.#db.approximateSize(from, `${to}\0`);
      const free = freed.deletes * this.#recordBytes;
      // What lies in LevelDB's memory has no size yet: where all of it does, there is nothing to give back either.
      const due = free >= size * (quiet ? QUIET_FREE_SHARE : FREE_SHARE);
      if (due) {
        this.#freed.delete(folder);
        await this.#compact(from, `${to}\0`);
        return;
      }
    }
    this.#lookAtMs += LOOK_AGAIN_MS;
  }

  async #compact(from: string, to: string): Promise<void> {
    // Twice: LevelDB chooses the levels to go through before it writes its memory out, which may be to a deeper one.
    await this.#db.compactRange(from, to);
    await this.#db.compactRange(from, to);
  }

  #work(run: () => Promise<void>): void {
    const done = (): void => {
      this.#working = undefined;
    };
    // Space that is not given back now is given back next time; a broken disk shows itself at the next write.
    this.#working = Promise.resolve(this.#working).then(run).then(done, done);
  }
}

function folderOf(key: string): string {
  let end = -1;
  for (let depth = 0; depth < FOLDER_DEPTH; depth++) {
    const slash = key.indexOf('/', end + 1);
    if (slash < 0) break;
    end = slash;
  }
  return key.slice(0, end + 1);
}
