import type { AbstractSnapshot } from 'abstract-level';
import { META_KEY, MEMBERS_KEY, statePrefix, type Level } from './level-disk.ts';
import { decodeMembers, NO_MEMBERS, type Members } from './members.ts';
import { decodeMeta, EMPTY_META, type DiskMeta } from './meta.codec.ts';

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

  /** All records in the order of their keys, page by page. */
  async *pages(): AsyncGenerator<(readonly [string, Uint8Array])[]> {
    const prefix = statePrefix(this.meta.generation);
    const range = {
      gte: prefix,
      lt: `${prefix.slice(0, -1)}0`,
      fillCache: false,
      highWaterMarkBytes: PAGE_BYTES,
      snapshot: this.#snapshot,
    };
    const iterator = this.#db.iterator(range);
    try {
      for (;;) {
        const page = await iterator.nextv(PAGE_RECORDS);
        if (page.length === 0) return;
        yield page.map(([key, value]) => [key.slice(prefix.length), value] as const);
      }
    } finally {
      await iterator.close();
    }
  }

  async close(): Promise<void> {
    await this.#snapshot.close();
  }
}
