import type { ScheduleResult, SnapshotSchedule } from '@coffer/core-system';
import { silentLog, type Clock } from '@coffer/kernel';
import { SnapshotScheduler, type ScheduleStorage } from './snapshot-scheduler.ts';
import type { SnapshotStore } from './snapshot-store.ts';

const CONFIG = 'raft/snapshot-auto/config/';
const STATUS = 'raft/snapshot-auto/status/';

const hourly: SnapshotSchedule = {
  intervalSeconds: 3600,
  retain: 2,
  pathPrefix: '/backups',
  filePrefix: 'snap',
  target: { kind: 'local', bytesMax: 0 },
};

const soon = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));

/** A node's storage, a clock that is turned by hand, and a place for snapshots. */
function world() {
  const timers = new Map<number, { readonly atMs: number; readonly run: () => void }>();
  let nowMs = 1_700_000_000_000;
  let count = 0;
  const clock = {
    nowMs: () => nowMs,
    after: (delayMs: number, run: () => void) => {
      const id = count++;
      timers.set(id, { atMs: nowMs + delayMs, run });
      return () => void timers.delete(id);
    },
  } as unknown as Clock;
  const stored = new Map<string, unknown>();
  const storage = {
    view: {
      list: (prefix: string) =>
        [...stored.keys()].filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length)),
      getJson: (key: string) => stored.get(key),
    },
    transact: (body: (view: unknown) => void) => {
      body({ putJson: (key: string, value: unknown) => void stored.set(key, value) });
      return Promise.resolve();
    },
  } as unknown as ScheduleStorage;
  const files = new Map<string, Uint8Array>();
  const faults = { save: false, verify: false, put: false };
  let closed = 0;
  const store: SnapshotStore = {
    url: (name) => `/backups/${name}`,
    list: () => Promise.resolve([...files].map(([name, { length }]) => ({ name, size: length }))),
    put: async (name, contents) => {
      if (faults.put) throw new Error('the disk is full');
      const pieces: Uint8Array[] = [];
      for await (const piece of contents) pieces.push(piece);
      files.set(name, Buffer.concat(pieces));
    },
    read: (name) => Promise.resolve(contentsOf(files.get(name) ?? Buffer.alloc(0))),
    remove: (name) => {
      files.delete(name);
      return Promise.resolve();
    },
    close: () => void closed++,
  };
  async function* contentsOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
    await Promise.resolve();
    yield bytes;
  }
  const scheduler = new SnapshotScheduler({
    clock,
    log: silentLog,
    save: () =>
      faults.save ? Promise.reject(new Error('not active')) : Promise.resolve(contentsOf(Buffer.from('state'))),
    verify: async (archive) => {
      for await (const piece of archive) if (faults.verify || piece.length !== 5) throw new Error('it cannot be read');
    },
    openStore: () => Promise.resolve(store),
  });
  /** Lets time pass, timer by timer. */
  const pass = async (ms: number): Promise<void> => {
    const untilMs = nowMs + ms;
    await soon();
    for (;;) {
      const [next] = [...timers].sort(([, a], [, b]) => a.atMs - b.atMs);
      if (next === undefined || next[1].atMs > untilMs) break;
      timers.delete(next[0]);
      nowMs = Math.max(nowMs, next[1].atMs);
      next[1].run();
      await soon();
    }
    nowMs = untilMs;
  };
  return { scheduler, storage, stored, files, faults, pass, timers, closed: () => closed };
}

const HOUR_MS = 3_600_000;

describe('scheduled snapshots', () => {
  it('are taken at once and then at each interval; the newest are kept, and those of others left alone', async () => {
    const { scheduler, storage, stored, files, pass, closed } = world();
    files.set('other.snap', Buffer.from('of somebody else'));
    files.set('snap-old.snap', Buffer.from('of somebody else'));
    stored.set(`${CONFIG}a`, hourly);
    scheduler.start(storage);
    await pass(0);
    expect(files.size).toBe(3);
    const [, , first] = [...files.keys()];
    expect(first).toMatch(/^snap-\d{19}\.snap$/);
    await pass(HOUR_MS - 1000);
    expect(files.size).toBe(3);
    await pass(3 * HOUR_MS);
    expect(files.size).toBe(4);
    expect(files.has(first as string)).toBe(false);
    expect(scheduler.status('a')).toMatchObject({ consecutiveErrors: 0, lastError: '', startMs: 0 });
    expect(stored.get(`${STATUS}a`)).toMatchObject({ consecutiveErrors: 0 });
    expect(closed()).toBe(4);
  });

  it('go on where the former active node stopped', async () => {
    const { scheduler, storage, stored, files, pass } = world();
    stored.set(`${CONFIG}a`, hourly);
    const result: ScheduleResult = {
      consecutiveErrors: 0,
      lastStartMs: 1_700_000_000_000 - HOUR_MS / 2,
      lastEndMs: 0,
      lastError: '',
      lastUrl: '/backups/x',
    };
    stored.set(`${STATUS}a`, result);
    scheduler.start(storage);
    await pass(HOUR_MS / 2 - 1000);
    expect(files.size).toBe(0);
    await pass(2000);
    expect(files.size).toBe(1);
  });

  it('are no longer taken by a node that is not active, or without their configuration', async () => {
    const { scheduler, storage, stored, files, pass, timers } = world();
    stored.set(`${CONFIG}a`, hourly);
    scheduler.start(storage);
    await pass(0);
    stored.delete(`${CONFIG}a`);
    scheduler.changed();
    await pass(2 * HOUR_MS);
    expect(files.size).toBe(1);
    expect(scheduler.status('a')).toBeUndefined();
    stored.set(`${CONFIG}a`, hourly);
    scheduler.changed();
    scheduler.stop();
    await pass(2 * HOUR_MS);
    expect(files.size).toBe(1);
    expect(timers.size).toBe(0);
  });

  it('are not kept where they cannot be read back, and the older ones stay', async () => {
    const { scheduler, storage, stored, files, faults, pass } = world();
    stored.set(`${CONFIG}a`, hourly);
    scheduler.start(storage);
    await pass(HOUR_MS + 1000);
    const kept = [...files.keys()];
    expect(kept).toHaveLength(2);
    faults.verify = true;
    await pass(HOUR_MS);
    expect([...files.keys()]).toEqual(kept);
    expect(scheduler.status('a')).toMatchObject({ lastError: 'it cannot be read' });
    expect(scheduler.status('a')?.lastUrl).toBe(`/backups/${String(kept.at(-1))}`);
    faults.verify = false;
    await pass(61_000);
    expect(scheduler.status('a')).toMatchObject({ consecutiveErrors: 0, lastError: '' });
  });

  it.each(['save', 'put'] as const)('are tried again after a minute where they fail: %s', async (fault) => {
    const { scheduler, storage, stored, files, faults, pass } = world();
    stored.set(`${CONFIG}a`, hourly);
    faults[fault] = true;
    scheduler.start(storage);
    await pass(0);
    expect(scheduler.status('a')).toMatchObject({ consecutiveErrors: 1, lastUrl: '' });
    await pass(61_000);
    expect(scheduler.status('a')?.consecutiveErrors).toBe(2);
    faults[fault] = false;
    await pass(61_000);
    expect(files.size).toBe(1);
  });

  it('take up no more space than allowed', async () => {
    const { scheduler, storage, stored, files, pass } = world();
    stored.set(`${CONFIG}a`, { ...hourly, retain: 9, target: { kind: 'local', bytesMax: 10 } });
    scheduler.start(storage);
    await pass(5 * HOUR_MS);
    expect(files.size).toBe(2);
    expect(scheduler.status('a')?.lastError).toContain('local_max_space is reached');
  });

  it('show at once whether a changed configuration works', async () => {
    const { scheduler, storage, stored, files, pass } = world();
    stored.set(`${CONFIG}a`, hourly);
    scheduler.start(storage);
    await pass(1000);
    stored.set(`${CONFIG}a`, { ...hourly, filePrefix: 'other' });
    scheduler.changed();
    await pass(1000);
    expect([...files.keys()].map((name) => name.split('-')[0])).toEqual(['snap', 'other']);
    scheduler.changed();
    await pass(1000);
    expect(files.size).toBe(2);
  });
});
