import type { MaybePromise } from '@coffer/kernel';
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
}

/** What is remembered of moves: their outcome, for who asks, and which of them a crash cut off. */
export class MountMoves {
  readonly #store: ParsingReader;
  readonly #transactor: Transactor;

  constructor(deps: { readonly barrier: ParsingReader; readonly transactor: Transactor }) {
    this.#store = deps.barrier;
    this.#transactor = deps.transactor;
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

  /** Those that are under way, or were when the node that made them was lost. */
  async inProgress(): Promise<readonly MoveRecord[]> {
    const found: MoveRecord[] = [];
    for (const id of await this.#store.list(MOVE_RECORDS)) {
      const record = await this.get(id);
      if (record?.status === 'in-progress') found.push(record);
    }
    return found;
  }
}
