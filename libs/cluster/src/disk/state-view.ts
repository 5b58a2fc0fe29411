import { assert } from '@coffer/kernel';
import type { AbstractSnapshot } from 'abstract-level';
import type { LogIndex } from 'raft-ts';
import { MEMBERS_KEY, META_KEY } from './disk-keys.ts';
import { decodeMembers, NO_MEMBERS, type Members } from './members.ts';
import { decodeMeta, EMPTY_META, type DiskMeta } from './meta.codec.ts';
import type { Level } from './open-level.ts';
import type { StateRecord } from './restore.codec.ts';
import { below, statePrefix } from './state-roots.ts';

/** So many records at a time. */
const PAGE_RECORDS = 1024;
/** And at most about so many bytes of them. */
const PAGE_BYTES = 256 << 10;

/** The state as it was on disk at one moment (a LevelDB snapshot), while writes go on. */
export class StateView {
  readonly meta: DiskMeta;
  readonly members: Members;
  readonly #db: Level;
  readonly #snapshot: AbstractSnapshot;

  constructor(db: Level) {
    this.#db = db;
    this.#snapshot = db.snapshot();
    const reading = { snapshot: this.#snapshot };
    const meta = db.getSync(META_KEY, reading);
    const members = db.getSync(MEMBERS_KEY, reading);
    this.meta = meta === undefined ? EMPTY_META : decodeMeta(meta);
    this.members = members === undefined ? NO_MEMBERS : decodeMembers(members);
  }

  /** All records in the order of their keys, page by page; the same pages each time. */
  pages(): AsyncGenerator<StateRecord[]> {
    return this.#pages(this.meta.root);
  }

  /** What a restore that is under way has brought so far. */
  stagedPages(): AsyncGenerator<StateRecord[]> {
    assert(this.meta.restore !== undefined, 'a restore is under way');
    return this.#pages(this.meta.restore.attempt);
  }

  async *#pages(root: LogIndex): AsyncGenerator<StateRecord[]> {
    const prefix = statePrefix(this.meta.generation, root);
    const iterator = this.#db.iterator({
      ...below(prefix),
      fillCache: false,
      highWaterMarkBytes: PAGE_BYTES,
      snapshot: this.#snapshot,
    });
    let page: StateRecord[] = [];
    let bytes = 0;
    try {
      for (;;) {
        const found = await iterator.nextv(PAGE_RECORDS);
        if (found.length === 0) break;
        for (const [key, value] of found) {
          page.push([key.slice(prefix.length), value]);
          bytes += key.length + value.length;
          if (bytes < PAGE_BYTES && page.length < PAGE_RECORDS) continue;
          yield page;
          page = [];
          bytes = 0;
        }
      }
      if (page.length > 0) yield page;
    } finally {
      await iterator.close();
    }
  }

  async close(): Promise<void> {
    await this.#snapshot.close();
  }
}
