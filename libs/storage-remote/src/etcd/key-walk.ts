import type { Head } from '../remote-store.ts';

const KEYS_PAGE_MAX = 256;
const KEYS_PAGE_FIRST = 32;

/** The state that all pages of a walk are of. */
export interface WalkState {
  /** etcd's own. */
  readonly revision: string;
  /** Ours. */
  readonly index: number;
}

export interface KeyPage {
  readonly keys: readonly Buffer[];
  readonly more: boolean;
  readonly state: WalkState;
}

export interface KeyPages {
  /**
   * Keys from `from` to `to`, at most `limit`.
   *
   * @param state of the first page; undefined for it
   */
  page(from: Buffer, to: Buffer, limit: number, state: WalkState | undefined): Promise<KeyPage>;
  head(): Promise<Head>;
}

/** Goes through keys in order, leaving out what lies between; pages grow while nothing is left out. */
export class KeyWalk {
  readonly #pages: KeyPages;
  readonly #end: Buffer;
  #page: readonly Buffer[] = [];
  #at = 0;
  #more = true;
  #limit = KEYS_PAGE_FIRST;
  #state: WalkState | undefined;

  /** @param end the first key behind the last one */
  constructor(pages: KeyPages, end: Buffer) {
    this.#pages = pages;
    this.#end = end;
  }

  /** The first key that is not before `from`, which never goes back. */
  async next(from: Buffer): Promise<Buffer | undefined> {
    for (;;) {
      for (; this.#at < this.#page.length; this.#at++) {
        const key = this.#page[this.#at] as Buffer;
        if (key.compare(from) >= 0) return key;
      }
      if (!this.#more || from.compare(this.#end) >= 0) return undefined;
      const last = this.#page.at(-1);
      const skipped = last !== undefined && from.compare(Buffer.concat([last, Buffer.of(0)])) > 0;
      this.#limit = skipped ? KEYS_PAGE_FIRST : Math.min(this.#limit * 2, KEYS_PAGE_MAX);
      const { keys, more, state } = await this.#pages.page(from, this.#end, this.#limit, this.#state);
      this.#page = keys;
      this.#at = 0;
      this.#more = more;
      this.#state = state;
    }
  }

  /** The index of the state that was walked through. */
  async index(): Promise<number> {
    return this.#state?.index ?? (await this.#pages.head()).index;
  }
}
