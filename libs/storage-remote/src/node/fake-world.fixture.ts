import { silentLog, systemRandom } from '@coffer/kernel';
import type { CancelTimer, Clock } from '@coffer/kernel';
import { StorageError } from '@coffer/storage';
import type { Epoch, KeyRange } from '@coffer/storage';
import { Unreachable } from '../remote-store.ts';
import type {
  Dated,
  FedGroup,
  Feed,
  Group,
  GroupLimits,
  Head,
  LockRecord,
  LockStore,
  RemoteStore,
} from '../remote-store.ts';
import { RemoteBackend } from './remote-backend.ts';
import type { BeforeLeading } from './remote-backend.ts';

/** A clock that stands still until it is told to go on; each node may have one that runs by itself. */
export class TrialClock implements Clock {
  #nowMs = 1_700_000_000_000;
  #timers = new Set<{ atMs: number; readonly run: () => void; readonly everyMs?: number }>();

  nowMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, run: () => void): CancelTimer {
    const timer = { atMs: this.#nowMs + delayMs, run };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  every(everyMs: number, run: () => void): CancelTimer {
    const timer = { atMs: this.#nowMs + everyMs, run, everyMs };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  /** Time passes, but the process does not run: timers are late. */
  freeze(byMs: number): void {
    this.#nowMs += byMs;
  }

  /** Goes on, running each timer at its time and what it set off to its end. */
  async advance(byMs: number): Promise<void> {
    const untilMs = this.#nowMs + byMs;
    await settled();
    for (;;) {
      const [next] = [...this.#timers].filter(({ atMs }) => atMs <= untilMs).sort((a, b) => a.atMs - b.atMs);
      if (!next) break;
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      if (next.everyMs === undefined) this.#timers.delete(next);
      else next.atMs = this.#nowMs + next.everyMs;
      next.run();
      await settled();
    }
    this.#nowMs = Math.max(this.#nowMs, untilMs);
  }
}

/** Until all that waits for nothing but other promises is done. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** What a database holds, and how it fails. */
export class FakeDatabase {
  values = new Map<string, Uint8Array>();
  head: Head = { epoch: 0, index: 0 };
  groups: FedGroup[] = [];
  lock: LockRecord | undefined;
  /** Nothing gets through. */
  away = false;
  /** The next so many commits are carried out, but their answers are lost. */
  answersLost = 0;
  /** The next so many commits are refused, once no answers are lost any more. */
  refusals = 0;
  /** Answers of commits wait for it; what they wrote does not. */
  answersHeld: Promise<void> | undefined;
  /** The next so many commits do not arrive. */
  requestsLost = 0;
  commits = 0;

  refuseAway(): void {
    if (this.away) throw new Unreachable('the database is away');
  }
}

/** A store in a `FakeDatabase`; every call takes a turn of the event loop. */
export class FakeStore implements RemoteStore {
  readonly kind = 'fake';
  readonly limits: GroupLimits = {
    keysMax: 100,
    bytesMax: 10_000,
    valueBytesMax: 5_000,
    keysAtOnce: 10,
    bytesAtOnce: 1_000,
    advice: 'less',
  };
  readonly #database: FakeDatabase;

  constructor(database: FakeDatabase) {
    this.#database = database;
  }

  async #turn(): Promise<FakeDatabase> {
    await new Promise((resolve) => setImmediate(resolve));
    this.#database.refuseAway();
    return this.#database;
  }

  async open(): Promise<void> {
    await this.#turn();
  }

  async head(): Promise<Head> {
    return (await this.#turn()).head;
  }

  async get(key: string): Promise<Dated<Uint8Array | undefined>> {
    const { values, head } = await this.#turn();
    return { value: values.get(key), index: head.index };
  }

  async list(): Promise<Dated<string[]>> {
    return { value: [], index: (await this.#turn()).head.index };
  }

  async keys({ from, to }: KeyRange): Promise<Dated<string[]>> {
    const { values, head } = await this.#turn();
    return { value: [...values.keys()].filter((key) => key >= from && key < to).sort(), index: head.index };
  }

  async commit({ id, epoch, after, batches, changes }: Group): Promise<boolean> {
    const database = await this.#turn();
    database.commits++;
    if (database.requestsLost > 0) {
      database.requestsLost--;
      throw new Unreachable('the request was lost');
    }
    if (database.refusals > 0 && database.answersLost === 0) {
      database.refusals--;
      throw new StorageError('disk', 'no room');
    }
    if (database.head.epoch !== epoch || database.head.index !== after) return false;
    for (const [key, value] of changes) {
      if (value === undefined) database.values.delete(key);
      else database.values.set(key, new Uint8Array(value));
    }
    database.head = { epoch, index: after + batches.length };
    database.groups.push({ id, first: after + 1, batches });
    await database.answersHeld;
    if (database.answersLost > 0) {
      database.answersLost--;
      throw new Unreachable('the answer was lost');
    }
    return true;
  }

  async claim(epoch: Epoch): Promise<Head> {
    const database = await this.#turn();
    if (database.head.epoch < epoch) database.head = { ...database.head, epoch };
    return database.head;
  }

  async feed(after: number): Promise<Feed> {
    const { head, groups } = await this.#turn();
    const fed = groups.filter(({ first, batches }) => first + batches.length - 1 > after);
    return { head, groups: fed.slice(0, 2) };
  }

  async holds({ id }: Pick<Group, 'id' | 'after'>): Promise<boolean> {
    return (await this.#turn()).groups.some((group) => group.id === id);
  }

  async trim(upTo: number): Promise<void> {
    const database = await this.#turn();
    database.groups = database.groups.filter(({ first }) => first > upTo);
  }

  onHint(): void {
    // A poll finds everything.
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** The lock of a `FakeDatabase`. */
export class FakeLock implements LockStore {
  readonly kind = 'fake';
  readonly #database: FakeDatabase;

  constructor(database: FakeDatabase) {
    this.#database = database;
  }

  open(): Promise<void> {
    return Promise.resolve();
  }

  async read(): Promise<LockRecord | undefined> {
    await new Promise((resolve) => setImmediate(resolve));
    this.#database.refuseAway();
    return this.#database.lock;
  }

  async write(record: LockRecord): Promise<boolean> {
    await new Promise((resolve) => setImmediate(resolve));
    this.#database.refuseAway();
    if ((this.#database.lock?.beat ?? 0) !== record.beat - 1) return false;
    this.#database.lock = record;
    return true;
  }

  onHint(): void {
    // Looking is enough.
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** A node on a database, with a clock of its own. */
export async function openNode(
  name: string,
  database: FakeDatabase,
  clock: Clock,
  options: { readonly solo?: boolean; readonly beforeLeading?: BeforeLeading } = {},
): Promise<RemoteBackend> {
  const node = new RemoteBackend({
    store: new FakeStore(database),
    lock: options.solo ? undefined : new FakeLock(database),
    self: { nodeId: name, apiAddress: `http://${name}`, clusterAddress: `https://${name}` },
    ...(options.beforeLeading ? { beforeLeading: options.beforeLeading } : {}),
    clock,
    random: systemRandom,
    log: silentLog,
  });
  await node.open();
  return node;
}

/** The epoch of an active node; 0 of a standby. */
export function epochOf(node: RemoteBackend): Epoch {
  const state = node.ha.state();
  return state.role === 'active' ? state.epoch : 0;
}
