import { written, type Level } from './open-level.ts';
import type { SpaceKeeper } from './space-keeper.ts';
import type { KeyInterval } from './state-roots.ts';

/** Records are deleted in pieces of so many, so that batches come in between. */
const PIECE_KEYS = 2000;

/** Deletes ranges that are out of reach, in the background, one after the other. */
export class RangeClearing {
  readonly #db: Level;
  readonly #space: SpaceKeeper;
  readonly #exclusively: (run: () => Promise<void>) => Promise<void>;
  readonly #failed: (error: unknown) => void;
  #running: Promise<void> = Promise.resolve();
  #stopped = false;

  /** @param exclusively runs a write when no other is under way */
  constructor(parts: {
    readonly db: Level;
    readonly space: SpaceKeeper;
    readonly exclusively: (run: () => Promise<void>) => Promise<void>;
    readonly failed: (error: unknown) => void;
  }) {
    this.#db = parts.db;
    this.#space = parts.space;
    this.#exclusively = parts.exclusively;
    this.#failed = parts.failed;
  }

  begin(intervals: readonly KeyInterval[]): void {
    this.#running = this.#running
      .then(async () => {
        for (const interval of intervals) await this.#clear(interval);
      })
      .catch((error: unknown) => this.#failed(error));
  }

  /** Resolves when everything that was begun is deleted. */
  async done(): Promise<void> {
    await this.#running;
  }

  /** Ends; what is left goes when the disk is opened again. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  async #clear(interval: KeyInterval): Promise<void> {
    let cleared = false;
    do {
      const [leftover] = await this.#db.keys({ ...interval, limit: 1 }).all();
      if (leftover === undefined) {
        if (cleared) this.#space.cleared(interval.gte, interval.lt);
        return;
      }
      await this.#exclusively(() => written(this.#db.clear({ ...interval, limit: PIECE_KEYS })));
      cleared = true;
    } while (!this.#stopped);
  }
}
