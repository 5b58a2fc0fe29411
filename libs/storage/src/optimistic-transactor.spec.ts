import { StorageError } from './backend.ts';
import type { AppliedListener, WriteBatch, WriteResult } from './backend.ts';
import { InmemBackend } from './inmem/inmem-backend.ts';
import { OptimisticTransactor } from './optimistic-transactor.ts';
import type { ParsingBackend } from './running-transaction.ts';
import type { Transaction } from './transaction.ts';

const ACTIVE = { state: () => ({ role: 'active', epoch: 1, sinceMs: 0 }) as const };

const bytes = (value: string | number): Uint8Array => new TextEncoder().encode(String(value));
const text = (value: Uint8Array | undefined): string => new TextDecoder().decode(value);
const turns = async (count: number): Promise<void> => {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
};

/** Chance with a seed (mulberry32). */
function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

class Store extends InmemBackend implements ParsingBackend {
  getParsed<T>(key: string, parse: (value: Uint8Array) => T): T | undefined {
    const value = this.get(key);
    return value && parse(value);
  }
}

/** As over a log: batches queue up and take effect later, in order; reads answer now or later; writes fail at times. */
class SlowStore extends Store {
  readonly applied: WriteBatch[] = [];
  readonly #queue: (() => Promise<void>)[] = [];
  readonly #chance: (below: number) => number;
  readonly #failEvery: number;
  #pumping = false;

  constructor(chance: (below: number) => number, failEvery = Number.POSITIVE_INFINITY) {
    super();
    this.#chance = chance;
    this.#failEvery = failEvery;
  }

  override get(key: string): Uint8Array | undefined {
    return this.#maybeLater(() => super.get(key));
  }

  override keys(range: { readonly from: string; readonly to: string; readonly limit?: number }): string[] {
    return this.#maybeLater(() => super.keys(range));
  }

  #maybeLater<T>(read: () => T): T {
    if (this.#chance(2) === 0) return read();
    // What is extended answers at once; what it stands for does not.
    return turns(this.#chance(3)).then(read) as never;
  }

  override write(batch: WriteBatch): Promise<WriteResult> {
    const { promise, resolve, reject } = Promise.withResolvers<WriteResult>();
    this.#queue.push(async () => {
      await turns(this.#chance(3));
      if (this.#chance(1000) < 1000 / this.#failEvery) {
        reject(new StorageError('disk', 'full'));
        return;
      }
      this.applied.push(batch);
      const result = await super.write(batch);
      await turns(this.#chance(2));
      resolve(result);
    });
    void this.#pump();
    return promise;
  }

  async #pump(): Promise<void> {
    if (this.#pumping) return;
    this.#pumping = true;
    for (let next = this.#queue.shift(); next; next = this.#queue.shift()) await next();
    this.#pumping = false;
  }
}

async function increment(tx: Transaction, key: string): Promise<void> {
  tx.put(key, bytes(Number(text(await tx.get(key))) + 1));
}

describe('a transaction', () => {
  it('reads its own writes, in values, listings and ranges', async () => {
    const transactor = new OptimisticTransactor(new Store(), ACTIVE);
    await transactor.run((tx) => {
      for (const key of ['a/1', 'a/2', 'a/b/1', 'a/b/2', 'c/1']) tx.put(key, bytes(key));
    });
    await transactor.run(async (tx) => {
      tx.put('a/3', bytes('new'));
      tx.delete('a/1');
      tx.delete('a/b/1');
      expect(text(await tx.get('a/3'))).toBe('new');
      expect(await tx.get('a/1')).toBeUndefined();
      expect(await tx.getParsed('a/3', text)).toBe('new');
      expect(await tx.getParsed('a/1', text)).toBeUndefined();
      expect(await tx.list('a/')).toEqual(['2', '3', 'b/']);
      expect(await tx.list('a/', { after: '2', limit: 1 })).toEqual(['3']);
      tx.delete('a/b/2');
      expect(await tx.list('a/')).toEqual(['2', '3']);
      expect(await tx.list('')).toEqual(['a/', 'c/']);
      expect(await tx.keys({ from: 'a/', to: 'd', limit: 2 })).toEqual(['a/2', 'a/3']);
    });
    expect(await transactor.run((tx) => tx.list('a/'))).toEqual(['2', '3']);
  });

  it('answers at once where nothing has to wait', () => {
    const transactor = new OptimisticTransactor(new Store(), ACTIVE);
    expect(transactor.attempt((tx) => tx.get('a'))).toBeUndefined();
    expect(transactor.attempt(() => 7)).toBe(7);
  });

  it('writes nothing when it fails, and says why', async () => {
    const store = new Store();
    const transactor = new OptimisticTransactor(store, ACTIVE);
    const failing = (tx: Transaction): never => {
      tx.put('a', bytes(1));
      throw new Error('no');
    };
    await expect(transactor.run(failing)).rejects.toThrow('no');
    await expect(transactor.run((tx) => Promise.resolve().then(() => failing(tx)))).rejects.toThrow('no');
    expect(store.get('a')).toBeUndefined();
    expect(store.appliedIndex()).toBe(0);
  });

  it('writes on the active node only, under the epoch that it began in', async () => {
    const standby = new OptimisticTransactor(new Store(), { state: () => ({ role: 'standby' }) });
    expect(await standby.run((tx) => tx.epoch)).toBeUndefined();
    await expect(standby.run((tx) => tx.put('a', bytes(1)))).rejects.toMatchObject({ code: 'not-active' });
    let epoch = 1;
    const later = new OptimisticTransactor(new Store(), { state: () => ({ role: 'active', epoch, sinceMs: 0 }) });
    const lost = later.run(async (tx) => {
      await increment(tx, 'a');
      await turns(1);
    });
    epoch = 2;
    await lost;
    await expect(later.run((tx) => increment(tx, 'a'))).rejects.toMatchObject({ code: 'epoch-lost' });
  });

  it('hands on what the store says of a write that failed', async () => {
    const transactor = new OptimisticTransactor(new SlowStore(seeded(1), 1), ACTIVE);
    await expect(transactor.run((tx) => tx.put('a', bytes(1)))).rejects.toMatchObject({ code: 'disk' });
  });
});

describe('transactions at once', () => {
  it.each([1, 2, 3])('lose no update (1000 increments of one key, seed %d)', async (seed) => {
    const transactor = new OptimisticTransactor(new SlowStore(seeded(seed)), ACTIVE);
    await Promise.all(Array.from({ length: 1000 }, () => transactor.run((tx) => increment(tx, 'counter'))));
    expect(await transactor.run(async (tx) => text(await tx.get('counter')))).toBe('1000');
  });

  it('refuse write skew: two who each see the other on duty cannot both leave', async () => {
    for (let seed = 0; seed < 50; seed++) {
      const transactor = new OptimisticTransactor(new SlowStore(seeded(seed)), ACTIVE);
      await transactor.run((tx) => {
        tx.put('duty/a', bytes(1));
        tx.put('duty/b', bytes(1));
      });
      const leave = (who: string): Promise<void> =>
        transactor.run(async (tx) => {
          const onDuty = (await tx.keys({ from: 'duty/', to: 'duty0' })).length;
          if (onDuty > 1) tx.delete(who);
        });
      await Promise.all([leave('duty/a'), leave('duty/b')]);
      expect(await transactor.run((tx) => tx.list('duty/'))).toHaveLength(1);
    }
  });

  it('see phantoms: a key that is added to a range that was read', async () => {
    const transactor = new OptimisticTransactor(new Store(), ACTIVE);
    let attempts = 0;
    await transactor.run(async (tx) => {
      attempts++;
      const names = await tx.list('a/', { limit: 2 });
      if (attempts === 1) await transactor.run((other) => other.put('a/1', bytes(1)));
      tx.put('count', bytes(names.length));
    });
    expect([attempts, text(await transactor.run((tx) => tx.get('count')))]).toEqual([2, '1']);
  });

  it('are not disturbed by changes behind the page that they read', async () => {
    const transactor = new OptimisticTransactor(new Store(), ACTIVE);
    await transactor.run((tx) => {
      for (const key of ['a/1', 'a/2/x', 'a/3']) tx.put(key, bytes(1));
    });
    let attempts = 0;
    await transactor.run(async (tx) => {
      attempts++;
      await tx.list('a/', { limit: 2 });
      await tx.keys({ from: 'a/', to: 'a0', limit: 1 });
      await transactor.run((other) => other.put('a/4', bytes(1)));
      tx.put('done', bytes(1));
    });
    expect(attempts).toBe(1);
  });

  it('read one state: what was moved is never seen twice or not at all', async () => {
    const transactor = new OptimisticTransactor(new SlowStore(seeded(5)), ACTIVE);
    await transactor.run((tx) => tx.put('at/0', bytes('it')));
    const move = (from: number, to: number): Promise<void> =>
      transactor.run((tx) => {
        tx.delete(`at/${String(from)}`);
        tx.put(`at/${String(to)}`, bytes('it'));
      });
    const moving = (async () => {
      for (let place = 0; place < 60; place++) await move(place % 3, (place + 1) % 3);
    })();
    const looking = Array.from({ length: 300 }, async (_, index) => {
      await turns(index % 40);
      return transactor.run(async (tx) => {
        let found = 0;
        for (const place of [0, 1, 2]) if ((await tx.get(`at/${String(place)}`)) !== undefined) found++;
        return found;
      });
    });
    expect(new Set(await Promise.all(looking))).toEqual(new Set([1]));
    await moving;
  });

  it('do not let an error out that comes from a state that never was', async () => {
    const transactor = new OptimisticTransactor(new Store(), ACTIVE);
    let attempts = 0;
    const sum = await transactor.run(async (tx) => {
      attempts++;
      const first = await tx.get('a');
      if (attempts === 1) {
        await transactor.run((other) => {
          other.put('a', bytes(1));
          other.put('b', bytes(1));
        });
      }
      const second = await tx.get('b');
      if ((first === undefined) !== (second === undefined)) throw new Error('torn');
      return text(first) + text(second);
    });
    expect([attempts, sum]).toEqual([2, '11']);
  });

  it('go on while other commits are always under way', async () => {
    const transactor = new OptimisticTransactor(new SlowStore(seeded(9)), ACTIVE);
    let stop = false;
    const others = Array.from({ length: 8 }, async (_, index) => {
      while (!stop) await transactor.run((tx) => tx.put(`other/${String(index)}`, bytes(1)));
    });
    await Promise.all(Array.from({ length: 20 }, () => transactor.run((tx) => increment(tx, 'counter'))));
    stop = true;
    await Promise.all(others);
    expect(await transactor.run(async (tx) => text(await tx.get('counter')))).toBe('20');
  });

  it('let a slow one through among quick ones that change what it reads', async () => {
    const transactor = new OptimisticTransactor(new SlowStore(seeded(11)), ACTIVE);
    let stop = false;
    const quick = Array.from({ length: 4 }, async () => {
      while (!stop) await transactor.run((tx) => increment(tx, 'hot'));
    });
    let attempts = 0;
    await transactor.run(async (tx) => {
      attempts++;
      const value = await tx.get('hot');
      await turns(30);
      tx.put('hot', value ?? bytes(0));
    });
    stop = true;
    await Promise.all(quick);
    expect(attempts).toBeLessThan(6);
  });

  it('give up after so many attempts, and say that it was a conflict', async () => {
    const store = new Store();
    const transactor = new OptimisticTransactor(store, ACTIVE);
    const hopeless = transactor.run(async (tx) => {
      await increment(tx, 'a');
      // Another node's writes know no queue.
      await store.write({ epoch: 1, ops: [{ kind: 'put', key: 'a', value: bytes(1) }] });
    });
    await expect(hopeless).rejects.toMatchObject({ name: 'StorageError', code: 'conflict' });
    await transactor.run((tx) => increment(tx, 'a'));
  });

  it('are overtaken when everything is replaced', async () => {
    let tell: AppliedListener = () => undefined;
    const store = new (class extends Store {
      override subscribe(listener: AppliedListener): () => void {
        tell = listener;
        return super.subscribe(listener);
      }
    })();
    const transactor = new OptimisticTransactor(store, ACTIVE);
    let attempts = 0;
    await transactor.run(async (tx) => {
      await increment(tx, 'a');
      if (++attempts === 1) tell({ index: 5, keys: [], everything: true });
    });
    expect(attempts).toBe(2);
  });

  it('remember no more changes than fit, and count as overtaken by what was forgotten', async () => {
    const transactor = new OptimisticTransactor(new Store(), ACTIVE);
    let attempts = 0;
    let remembered = 0;
    await transactor.run(async (tx) => {
      attempts++;
      await tx.get('a');
      await tx.get('b');
      for (let batch = 0; attempts === 1 && batch < 30; batch++) {
        await transactor.run((other) => {
          for (let key = 0; key < 10_000; key++) other.put(`k/${String(batch)}/${String(key)}`, bytes(1));
        });
        remembered = Math.max(remembered, transactor.changesRemembered);
      }
    });
    expect(attempts).toBe(2);
    expect(remembered).toBeGreaterThan(60_000);
    expect(remembered).toBeLessThan(160_000);
    expect(transactor.changesRemembered).toBe(0);
  });
});

/** What a committed transaction read (which version of each key, by the writer's number) and wrote. */
interface Done {
  readonly id: number;
  readonly reads: Map<string, number>;
  readonly writes: readonly string[];
}

/**
 * Whether a serial order of all transactions explains what each read: the graph of who must come before whom (write to
 * read, read to overwrite, write to overwrite) has no cycle (Adya 1999, section 3.2).
 */
function isSerializable(done: readonly Done[], order: ReadonlyMap<string, readonly number[]>): boolean {
  const after = new Map<number, Set<number>>(done.map(({ id }) => [id, new Set()]));
  const edge = (from: number, to: number): void => {
    if (from !== to && from !== 0) after.get(from)?.add(to);
  };
  for (const writers of order.values()) writers.forEach((writer, at) => edge(writers[at - 1] ?? 0, writer));
  for (const { id, reads } of done) {
    for (const [key, writer] of reads) {
      edge(writer, id);
      const writers = order.get(key) ?? [];
      const next = writers[writer === 0 ? 0 : writers.indexOf(writer) + 1];
      if (next !== undefined) edge(id, next);
    }
  }
  const state = new Map<number, 'open' | 'closed'>();
  const hasCycle = (id: number): boolean => {
    if (state.get(id) === 'closed') return false;
    if (state.get(id) === 'open') return true;
    state.set(id, 'open');
    const found = [...(after.get(id) ?? [])].some(hasCycle);
    state.set(id, 'closed');
    return found;
  };
  return !done.some(({ id }) => hasCycle(id));
}

async function randomRun(seed: number): Promise<boolean> {
  const chance = seeded(seed);
  const store = new SlowStore(chance, 20);
  const transactor = new OptimisticTransactor(store, ACTIVE);
  const done: Done[] = [];
  const one = async (id: number): Promise<void> => {
    await turns(chance(10));
    const result = transactor.run(async (tx) => {
      const reads = new Map<string, number>();
      const writes: string[] = [];
      for (let step = chance(5); step >= 0; step--) {
        const key = `k/${String(chance(4))}`;
        if (chance(5) < 3) {
          if (!writes.includes(key)) reads.set(key, Number(text(await tx.get(key))));
        } else {
          tx.put(key, bytes(id));
          writes.push(key);
        }
        if (chance(4) === 0) await turns(chance(3));
      }
      return { id, reads, writes };
    });
    try {
      done.push(await result);
    } catch (error) {
      if (!(error instanceof StorageError) || error.code !== 'disk') throw error;
    }
  };
  await Promise.all(Array.from({ length: 40 }, (_, index) => one(index + 1)));
  const order = new Map<string, number[]>();
  for (const { ops } of store.applied) {
    for (const op of ops)
      if (op.kind === 'put') order.set(op.key, [...(order.get(op.key) ?? []), Number(text(op.value))]);
  }
  return isSerializable(done, order);
}

describe('a transactor that was closed', () => {
  it('commits nothing and vouches for nothing that was read, but lets end what did neither', async () => {
    const store = new Store();
    const transactor = new OptimisticTransactor(store, ACTIVE);
    let go: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (go = resolve));
    const writes = transactor.run(async (tx) => {
      await gate;
      tx.put('a', bytes(1));
    });
    const reads = transactor.run(async (tx) => {
      const value = await tx.get('a');
      await gate;
      return value;
    });
    const neither = transactor.run(async () => {
      await gate;
      return 'done';
    });
    transactor.close();
    go();
    await expect(writes).rejects.toMatchObject({ code: 'epoch-lost' });
    await expect(reads).rejects.toMatchObject({ code: 'epoch-lost' });
    expect(await neither).toBe('done');
    expect(await store.get('a')).toBeUndefined();
    await expect(transactor.run(() => 1)).rejects.toMatchObject({ code: 'epoch-lost' });
  });
});

describe('random transactions at once', () => {
  it('are worth some serial order', async () => {
    for (let seed = 1; seed <= 150; seed++) {
      if (!(await randomRun(seed))) throw new Error(`no serial order for seed ${String(seed)}`);
    }
  });

  it('would be told from those that are not', () => {
    const skew: Done[] = [
      { id: 1, reads: new Map([['b', 0]]), writes: ['a'] },
      { id: 2, reads: new Map([['a', 0]]), writes: ['b'] },
    ];
    const order = new Map([
      ['a', [1]],
      ['b', [2]],
    ]);
    expect(isSerializable(skew, order)).toBe(false);
    expect(isSerializable(skew.slice(0, 1), order)).toBe(true);
  });
});
