import { createSecretKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { assert, wipe } from '@coffer/kernel';
import { BarrierError } from './barrier.ts';

/** One data key. Times in milliseconds since 1970. */
export interface DataKey {
  readonly term: number;
  readonly key: Uint8Array;
  readonly installedMs: number;
}

export const KEY_BYTES = 32;

interface StoredKeyring {
  readonly version: 1;
  readonly keys: readonly { readonly term: number; readonly key: string; readonly installedMs: number }[];
}

/** The data keys by term; the newest encrypts, all decrypt. Immutable but for `wipe`. */
export class Keyring {
  readonly #keys: ReadonlyMap<number, DataKey>;
  /** Made when first used. Their memory is overwritten by Node when they are collected. */
  readonly #cipherKeys = new Map<number, KeyObject>();
  #wiped = false;
  readonly newest: DataKey;

  /** @throws AssertionFailure without keys */
  constructor(keys: readonly DataKey[]) {
    this.#keys = new Map(keys.map((key) => [key.term, key]));
    const newest = [...this.#keys.values()].sort((a, b) => b.term - a.term)[0];
    assert(newest !== undefined, 'a keyring has a key');
    assert(
      [...this.#keys.values()].every(({ key }) => key.length === KEY_BYTES),
      'data keys have 256 bits',
    );
    this.newest = newest;
  }

  key(term: number): DataKey | undefined {
    return this.#keys.get(term);
  }

  /**
   * The key of a term in the form for encryption; undefined for an unknown term.
   *
   * @throws BarrierError `sealed` once wiped: what remains then is no key
   */
  cipherKey(term: number): KeyObject | undefined {
    if (this.#wiped) throw new BarrierError('sealed', 'the keyring has been wiped');
    const known = this.#cipherKeys.get(term);
    if (known) return known;
    const key = this.#keys.get(term);
    if (!key) return undefined;
    const made = createSecretKey(key.key);
    this.#cipherKeys.set(term, made);
    return made;
  }

  with(key: DataKey): Keyring {
    return new Keyring([...this.#keys.values(), key]);
  }

  serialize(): Uint8Array {
    const keys = [...this.#keys.values()].map(({ term, key, installedMs }) => ({
      term,
      key: Buffer.from(key).toString('base64'),
      installedMs,
    }));
    const stored: StoredKeyring = { version: 1, keys };
    return new TextEncoder().encode(JSON.stringify(stored));
  }

  /** @throws BarrierError `corrupt` */
  static parse(bytes: Uint8Array): Keyring {
    let stored: StoredKeyring | null;
    try {
      stored = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as StoredKeyring | null;
    } catch {
      // The cause would quote what it could not read.
      throw new BarrierError('corrupt', 'the keyring cannot be read');
    }
    if (stored?.version !== 1 || !Array.isArray(stored.keys) || stored.keys.length === 0)
      throw new BarrierError('corrupt', 'the keyring has an unknown form');
    return new Keyring(stored.keys.map(dataKey));
  }

  /** Overwrites the keys. */
  wipe(): void {
    for (const { key } of this.#keys.values()) wipe(key);
    this.#cipherKeys.clear();
    this.#wiped = true;
  }

  /** Overwrites the keys, apart from those that another keyring shares with it. */
  wipeAllBut(other: Keyring): void {
    for (const { term, key } of this.#keys.values()) if (other.key(term)?.key !== key) wipe(key);
    this.#cipherKeys.clear();
    this.#wiped = true;
  }
}

function dataKey({ term, key, installedMs }: StoredKeyring['keys'][number]): DataKey {
  const bytes = typeof key === 'string' ? new Uint8Array(Buffer.from(key, 'base64')) : new Uint8Array(0);
  if (!Number.isSafeInteger(term) || term < 1 || !Number.isFinite(installedMs) || bytes.length !== KEY_BYTES)
    throw new BarrierError('corrupt', 'a key of the keyring has an unknown form');
  return { term, installedMs, key: bytes };
}
