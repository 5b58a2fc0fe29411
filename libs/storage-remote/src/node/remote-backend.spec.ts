import type { AppliedBatch } from '@coffer/storage';
import { FakeDatabase, TrialClock, epochOf, openNode } from './fake-world.fixture.ts';
import { DOUBT_MS_MAX } from './group-writer.ts';
import { LEASE_MS } from './lock-election.ts';
import type { RemoteBackend } from './remote-backend.ts';

let database: FakeDatabase;
let clock: TrialClock;
let active: RemoteBackend;

beforeEach(async () => {
  database = new FakeDatabase();
  clock = new TrialClock();
  active = await openNode('a', database, clock);
  active.ha.start();
  await clock.advance(500);
});

const put = (key: string, text = key): Promise<{ readonly index: number }> =>
  active.write({ epoch: epochOf(active), ops: [{ kind: 'put', key, value: Buffer.from(text) }] });

/** How a promise ends, while time passes. */
async function outcome(work: Promise<unknown>, withinMs: number): Promise<unknown> {
  let ended: unknown = 'still under way';
  work.then(
    () => {
      ended = 'done';
    },
    (error: unknown) => {
      ended = error;
    },
  );
  for (let ms = 0; ms < withinMs && ended === 'still under way'; ms += 100) await clock.advance(100);
  return ended;
}

describe('a write whose answer is lost', () => {
  it('is found to be done, and done once', async () => {
    database.answersLost = 1;
    expect(await outcome(put('k'), 1000)).toBe('done');
    expect([database.head.index, database.groups.length]).toEqual([1, 1]);
    expect(database.commits).toBe(2);
    expect(active.appliedIndex()).toBe(1);
    expect(await outcome(put('l'), 1000)).toBe('done');
  });

  it('is sent again where it had not arrived', async () => {
    database.requestsLost = 3;
    expect(await outcome(put('k'), 2000)).toBe('done');
    expect(database.head.index).toBe(1);
  });

  it('is done even if another node has taken over meanwhile', async () => {
    database.answersLost = 1;
    const work = put('k');
    await clock.advance(50);
    database.head = { ...database.head, epoch: 7 };
    database.groups.push({ id: 'other', first: 2, batches: [['x']] });
    database.head = { epoch: 7, index: 2 };
    expect(await outcome(work, 2000)).toBe('done');
  });

  it('is refused, and not in doubt, where another node has taken over before it arrived', async () => {
    database.requestsLost = 1;
    const work = put('k');
    await clock.advance(50);
    database.head = { ...database.head, epoch: 7 };
    expect(await outcome(work, 2000)).toMatchObject({ code: 'epoch-lost' });
    expect(database.values.has('k')).toBe(false);
    expect(active.ha.state().role).toBe('standby');
  });

  it('is not called refused because a later attempt was', async () => {
    database.answersLost = 1;
    database.refusals = 2;
    expect(await outcome(put('k'), 2000)).toBe('done');
    expect(database.groups).toHaveLength(1);
    database.refusals = 1;
    expect(await outcome(put('l'), 1000)).toMatchObject({ code: 'disk' });
    expect(await outcome(put('l'), 1000)).toBe('done');
  });

  it('does not end the next reign of the node that sent it', async () => {
    database.requestsLost = 10;
    const work = put('k');
    await clock.advance(20);
    database.away = true;
    await clock.advance(LEASE_MS);
    expect(epochOf(active)).toBe(0);
    database.away = false;
    expect(await outcome(work, 8000)).toMatchObject({ code: 'epoch-lost' });
    await clock.advance(LEASE_MS);
    expect(epochOf(active)).toBe(2);
    expect(await outcome(put('l'), 1000)).toBe('done');
    expect([...database.values.keys()]).toEqual(['l']);
  });

  it('is in doubt where the database stays away', async () => {
    database.requestsLost = 1;
    const work = put('k');
    await clock.advance(20);
    database.away = true;
    expect(await outcome(work, DOUBT_MS_MAX + 1000)).toMatchObject({ code: 'in-doubt' });
  });
});

describe('writing', () => {
  it('puts what comes at once into groups, in order, as large as the store wants them', async () => {
    const writes = Array.from({ length: 25 }, (_, index) => put(`k${String(index).padStart(2, '0')}`));
    await clock.advance(100);
    const results = await Promise.all(writes);
    expect(results.map(({ index }) => index)).toEqual(Array.from({ length: 25 }, (_, index) => index + 1));
    expect(database.groups.map(({ batches }) => batches.length)).toEqual([10, 10, 5]);
  });

  it('refuses a batch or a value that is too large, and says what could be done', async () => {
    const ops = Array.from({ length: 101 }, (_, index) => ({ kind: 'delete' as const, key: `k${String(index)}` }));
    const refused = active.write({ epoch: 1, ops });
    await expect(refused).rejects.toMatchObject({ code: 'too-large', message: expect.stringContaining('less') });
    await expect(put('k', 'x'.repeat(5_001))).rejects.toMatchObject({ code: 'too-large' });
    await expect(put('k', 'x'.repeat(5_000))).resolves.toEqual({ index: 1 });
  });
});

describe('a standby', () => {
  let standby: RemoteBackend;
  const told: AppliedBatch[] = [];

  beforeEach(async () => {
    told.length = 0;
    standby = await openNode('b', database, clock);
    standby.ha.start();
    await clock.advance(500);
    standby.subscribe((batch) => told.push(batch));
  });

  it('is told of every batch before a read after the barrier', async () => {
    for (let round = 1; round <= 7; round++) {
      await put('k', String(round));
      await standby.readBarrier();
      expect(standby.appliedIndex()).toBe(round);
      expect(told.map(({ index }) => index)).toEqual(Array.from({ length: round }, (_, at) => at + 1));
    }
  });

  it('holds back a value that it has yet to hear of', async () => {
    await put('k', 'new');
    expect(told).toEqual([]);
    expect(Buffer.from((await standby.get('k')) ?? []).toString()).toBe('new');
    expect(told).toEqual([{ index: 1, keys: ['k'] }]);
  });

  it('reads everything anew where the feed does not reach back', async () => {
    for (const key of ['a', 'b', 'c']) await put(key);
    database.groups = database.groups.slice(2);
    await standby.readBarrier();
    expect(told).toEqual([{ index: 3, keys: [], everything: true }]);
    await put('d');
    await standby.readBarrier();
    expect(told.at(-1)).toEqual({ index: 4, keys: ['d'] });
  });

  it('reads everything anew where the store went back in time', async () => {
    for (const key of ['a', 'b', 'c']) await put(key);
    await standby.readBarrier();
    database.head = { ...database.head, index: 1 };
    database.groups = database.groups.slice(0, 1);
    await standby.readBarrier();
    expect(told.at(-1)).toEqual({ index: 1, keys: [], everything: true });
  });

  it('may see a write before the active node has its answer, which then reads nothing older', async () => {
    await put('k', 'old');
    const { promise, resolve } = Promise.withResolvers<undefined>();
    database.answersHeld = promise.then(() => undefined);
    const work = put('k', 'new');
    await clock.advance(50);
    await standby.readBarrier();
    expect(Buffer.from((await standby.get('k')) ?? []).toString()).toBe('new');
    let passed = false;
    const barrier = Promise.resolve(active.readBarrier()).then(() => {
      passed = true;
    });
    await clock.advance(50);
    expect([passed, active.appliedIndex()]).toEqual([false, 1]);
    resolve(undefined);
    await clock.advance(50);
    await barrier;
    expect(active.appliedIndex()).toBe(2);
    await work;
    expect(active.readBarrier()).toBeUndefined();
  });

  it('asks once for all reads that come together', async () => {
    let feeds = 0;
    const original = database.refuseAway.bind(database);
    database.refuseAway = () => {
      feeds++;
      original();
    };
    await Promise.all(Array.from({ length: 500 }, () => standby.readBarrier()));
    expect(feeds).toBeLessThanOrEqual(2);
  });

  it('says that nobody leads where the database stays away, and that time is up where the reader leaves', async () => {
    database.away = true;
    expect(await outcome(Promise.resolve(standby.readBarrier()), 6000)).toMatchObject({ code: 'no-leader' });
    const leaves = Promise.resolve(standby.readBarrier(AbortSignal.abort()));
    expect(await outcome(leaves, 6000)).toMatchObject({ code: 'deadline' });
  });
});
