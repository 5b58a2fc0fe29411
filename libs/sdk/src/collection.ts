import { whenReady } from '@coffer/kernel';
import type { MaybePromise } from '@coffer/kernel';
import type { Page, ReadableView, StorageView } from './storage-view.ts';

/**
 * One kind of stored record: its keys and values in one place, so that reading, writing and invalidation cannot differ.
 *
 * @example
 *     const roles = collection<Role>('role/');
 *     const role = await roles.get(view, name);
 */
export interface Collection<T> {
  readonly prefix: string;
  key(name: string): string;
  /** The name of a stored key, or undefined if the key is not of this collection. */
  nameOf(key: string): string | undefined;
  /** Deeply frozen. */
  get(view: ReadableView, name: string): MaybePromise<T | undefined>;
  has(view: ReadableView, name: string): MaybePromise<boolean>;
  put(view: StorageView, name: string, value: T): void;
  delete(view: StorageView, name: string): void;
  /** Names directly below `below` (folders end with `/`). */
  list(view: ReadableView, below?: string, page?: Page): MaybePromise<string[]>;
}

/** @param prefix '' or ending with `/` */
export function collection<T>(prefix: string): Collection<T> {
  return {
    prefix,
    key: (name) => prefix + name,
    nameOf: (key) => (key.startsWith(prefix) ? key.slice(prefix.length) : undefined),
    get: (view, name) => view.getJson<T>(prefix + name),
    has: (view, name) => whenReady(view.get(prefix + name), (value) => value !== undefined),
    put: (view, name, value) => view.putJson(prefix + name, value),
    delete: (view, name) => view.delete(prefix + name),
    list: (view, below = '', page) => view.list(prefix + below, page),
  };
}

/** One record of its own (`config`). */
export interface Singleton<T> {
  readonly key: string;
  get(view: ReadableView): MaybePromise<T | undefined>;
  put(view: StorageView, value: T): void;
  delete(view: StorageView): void;
}

export function singleton<T>(key: string): Singleton<T> {
  return {
    key,
    get: (view) => view.getJson<T>(key),
    put: (view, value) => view.putJson(key, value),
    delete: (view) => view.delete(key),
  };
}
