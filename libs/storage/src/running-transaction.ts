import { isPromise, whenReady } from '@coffer/kernel';
import type { MaybePromise } from '@coffer/kernel';
import type { Backend, KeyRange, ListOptions, WriteOp } from './backend.ts';
import { inRange } from './change-record.ts';
import type { ReadRange } from './change-record.ts';
import { compareKeys } from './inmem/sorted-keys.ts';
import type { Transaction } from './transaction.ts';

/** A store that keeps parsed values with its entries (the barrier). */
export interface ParsingBackend extends Backend {
  getParsed<T>(key: string, parse: (bytes: Uint8Array) => T): MaybePromise<T | undefined>;
}

const NOTHING: readonly never[] = [];

/** The first key behind all those that begin with a prefix which is empty or ends with `/`. */
export const behind = (prefix: string): string | undefined => (prefix === '' ? undefined : `${prefix.slice(0, -1)}0`);

/** One attempt of a transaction. Light, since every request is one: what it does not need it does not make. */
export class RunningTransaction implements Transaction {
  readonly epoch: number | undefined;
  readonly #backend: ParsingBackend;
  #keysRead: string[] | undefined;
  #ranges: ReadRange[] | undefined;
  /** Undefined: deleted. */
  #written: Map<string, Uint8Array | undefined> | undefined;
  #reads = 0;

  constructor(backend: ParsingBackend, epoch: number | undefined) {
    this.#backend = backend;
    this.epoch = epoch;
  }

  get dirty(): boolean {
    return this.#written !== undefined;
  }

  get keysRead(): readonly string[] {
    return this.#keysRead ?? NOTHING;
  }

  get ranges(): readonly ReadRange[] {
    return this.#ranges ?? NOTHING;
  }

  /** How often it asked the store. */
  get reads(): number {
    return this.#reads;
  }

  ops(): WriteOp[] {
    return [...(this.#written ?? NOTHING)].map(([key, value]) =>
      value === undefined ? { kind: 'delete', key } : { kind: 'put', key, value },
    );
  }

  get(key: string): MaybePromise<Uint8Array | undefined> {
    if (this.#written?.has(key)) return this.#written.get(key);
    this.#noteKey(key);
    return this.#backend.get(key);
  }

  getParsed<T>(key: string, parse: (bytes: Uint8Array) => T): MaybePromise<T | undefined> {
    if (this.#written?.has(key)) {
      const own = this.#written.get(key);
      return own === undefined ? undefined : parse(own);
    }
    this.#noteKey(key);
    return this.#backend.getParsed(key, parse);
  }

  list(prefix: string, options: ListOptions = {}): MaybePromise<string[]> {
    const { after, limit } = options;
    const from = after === undefined ? prefix : prefix + after;
    const own = this.#ownWithin({ from: prefix, ...upTo(behind(prefix)) });
    if (own.length > 0) return this.#listWithOwn(prefix, options, own);
    return this.#noteRange(from, behind(prefix), this.#backend.list(prefix, options), (names) => {
      const last = limit !== undefined && names.length >= limit ? names.at(-1) : undefined;
      return last === undefined ? undefined : (last.endsWith('/') && behind(prefix + last)) || `${prefix}${last}\u0000`;
    });
  }

  /** Own writes may add or remove names: the folder is listed whole and put together here. */
  async #listWithOwn(prefix: string, options: ListOptions, own: readonly string[]): Promise<string[]> {
    const names = new Set(await this.#noteRange(prefix, behind(prefix), this.#backend.list(prefix)));
    for (const key of own) {
      const rest = key.slice(prefix.length);
      const slash = rest.indexOf('/');
      const name = slash === -1 ? rest : rest.slice(0, slash + 1);
      if (this.#written?.get(key) !== undefined) names.add(name);
      else if (slash === -1) names.delete(name);
      else if (!(await this.#holdsAny(prefix + name))) names.delete(name);
    }
    const sorted = [...names]
      .filter((name) => name !== '' && (options.after === undefined || compareKeys(name, options.after) > 0))
      .sort(compareKeys);
    return sorted.slice(0, options.limit);
  }

  async #holdsAny(folder: string): Promise<boolean> {
    return (await this.keys({ from: folder, to: `${folder.slice(0, -1)}0`, limit: 1 })).length > 0;
  }

  keys(range: KeyRange): MaybePromise<string[]> {
    const { from, to, limit } = range;
    const own = this.#ownWithin(range);
    if (own.length > 0) return this.#keysWithOwn(range, own);
    return this.#noteRange(from, to, this.#backend.keys(range), (keys) => {
      const last = limit !== undefined && keys.length >= limit ? keys.at(-1) : undefined;
      return last === undefined ? undefined : `${last}\u0000`;
    });
  }

  async #keysWithOwn(range: KeyRange, own: readonly string[]): Promise<string[]> {
    // Every deletion of ours may hide one key of the page.
    const wanted = range.limit === undefined ? range : { ...range, limit: range.limit + own.length };
    const keys = new Set(await this.#noteRange(range.from, range.to, this.#backend.keys(wanted)));
    for (const key of own) {
      if (this.#written?.get(key) === undefined) keys.delete(key);
      else keys.add(key);
    }
    return [...keys].sort(compareKeys).slice(0, range.limit);
  }

  put(key: string, value: Uint8Array): void {
    (this.#written ??= new Map()).set(key, value);
  }

  delete(key: string): void {
    (this.#written ??= new Map()).set(key, undefined);
  }

  #noteKey(key: string): void {
    this.#reads++;
    (this.#keysRead ??= []).push(key);
  }

  /** What lies behind a full page was not looked at: `end` tells where that begins. */
  #noteRange(
    from: string,
    to: string | undefined,
    found: MaybePromise<string[]>,
    end: (found: readonly string[]) => string | undefined = () => undefined,
  ): MaybePromise<string[]> {
    this.#reads++;
    const ranges = (this.#ranges ??= []);
    const at = ranges.push({ from, ...upTo(to) }) - 1;
    const narrow = (names: string[]): string[] => {
      const nearer = end(names);
      if (nearer !== undefined) ranges[at] = { from, to: nearer };
      return names;
    };
    return isPromise(found) ? whenReady(found, narrow) : narrow(found);
  }

  #ownWithin(range: ReadRange): readonly string[] {
    return this.#written === undefined ? NOTHING : [...this.#written.keys()].filter((key) => inRange(key, range));
  }
}

const upTo = (to: string | undefined): { readonly to?: string } => (to === undefined ? {} : { to });
