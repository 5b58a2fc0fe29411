import type { Clock, MaybePromise } from '@coffer/kernel';
import { encodeJson, parseFrozen } from '@coffer/core-api';
import type { Transactor } from '@coffer/storage';
import type { ParsingReader } from '@coffer/core-api';
import { MOVE_RECORDS } from './mount-record.ts';

/** How a move of a mount stands. */
export interface MoveRecord {
  readonly id: string;
  readonly sourceMount: string;
  readonly targetMount: string;
  /** Of the mount that is moved. */
  readonly mountUuid: string;
  readonly status: 'in-progress' | 'success' | 'failure';
  /** When it came to its end, in milliseconds since 1970. */
  readonly endedMs?: number;
}

/** For so long, and so many of them, outcomes are kept. */
const KEPT_MS = 24 * 60 * 60 * 1000;
const KEPT_MAX = 1000;

/** What is remembered of moves: their outcome, for who asks, and which of them a crash cut off. */
export class MountMoves {
  readonly #store: ParsingReader;
  readonly #transactor: Transactor;
  readonly #clock: Clock;

  constructor(deps: { readonly barrier: ParsingReader; readonly transactor: Transactor; readonly clock: Clock }) {
    this.#store = deps.barrier;
    this.#transactor = deps.transactor;
    this.#clock = deps.clock;
  }

  get(id: string): MaybePromise<MoveRecord | undefined> {
    if (!/^[0-9a-f-]{36}$/.test(id)) return undefined;
    return this.#store.getParsed(MOVE_RECORDS + id, parseFrozen) as MaybePromise<MoveRecord | undefined>;
  }

  async put(record: MoveRecord): Promise<void> {
    await this.#transactor.run((transaction) => {
      transaction.put(MOVE_RECORDS + record.id, encodeJson(record));
    });
  }

  /** Keeps an outcome for a while, and forgets those that nobody will ask for any more. */
  async end(record: MoveRecord, status: 'success' | 'failure'): Promise<void> {
    const nowMs = this.#clock.nowMs();
    await this.put({ ...record, status, endedMs: nowMs });
    const ended = (await this.#all()).filter((other) => other.status !== 'in-progress');
    const newestFirst = ended.sort((a, b) => (b.endedMs ?? 0) - (a.endedMs ?? 0));
    const old = newestFirst.filter(({ endedMs = 0 }, at) => at >= KEPT_MAX || endedMs <= nowMs - KEPT_MS);
    if (old.length === 0) return;
    await this.#transactor.run((transaction) => {
      for (const { id } of old) transaction.delete(MOVE_RECORDS + id);
    });
  }

  /** Those that are under way, or were when the node that made them was lost. */
  async inProgress(): Promise<readonly MoveRecord[]> {
    return (await this.#all()).filter(({ status }) => status === 'in-progress');
  }

  async #all(): Promise<MoveRecord[]> {
    const found: MoveRecord[] = [];
    for (const id of await this.#store.list(MOVE_RECORDS)) {
      const record = await this.get(id);
      if (record) found.push(record);
    }
    return found;
  }
}
