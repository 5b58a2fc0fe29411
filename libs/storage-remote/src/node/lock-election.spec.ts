import { StorageError } from '@coffer/storage';
import type { HaState } from '@coffer/storage';
import { FakeDatabase, TrialClock, epochOf, openNode, settled } from './fake-world.fixture.ts';
import { LEASE_MS } from './lock-election.ts';
import type { BeforeLeading, RemoteBackend } from './remote-backend.ts';

let database: FakeDatabase;
let clock: TrialClock;
let nodes: RemoteBackend[];

beforeEach(() => {
  database = new FakeDatabase();
  clock = new TrialClock();
  nodes = [];
});

async function start(name: string, at = clock): Promise<RemoteBackend> {
  const node = await openNode(name, database, at);
  nodes.push(node);
  node.ha.start();
  await at.advance(500);
  return node;
}

const put = (node: RemoteBackend, key: string, text: string): Promise<unknown> =>
  node.write({ epoch: epochOf(node), ops: [{ kind: 'put', key, value: Buffer.from(text) }] });

/** A write that was judged under an epoch, whatever the node is by now. */
const putUnder = (node: RemoteBackend, epoch: number): Promise<unknown> =>
  node.write({ epoch, ops: [{ kind: 'put', key: 'late', value: Buffer.from('late') }] });

describe('the election', () => {
  it('makes the first node active and the others standbys that know it', async () => {
    const [a, b] = [await start('a'), await start('b')];
    expect(a.ha.state()).toMatchObject({ role: 'active', epoch: 1 });
    expect(b.ha.state()).toEqual({ role: 'standby', leader: a.ha.self });
    await clock.advance(60_000);
    expect([epochOf(a), epochOf(b)]).toEqual([1, 0]);
  });

  it('lets nobody else lead while the holder lives, however late its standbys look', async () => {
    const a = await start('a');
    const slow = new TrialClock();
    const b = await openNode('b', database, slow);
    b.ha.start();
    for (let round = 0; round < 20; round++) {
      await clock.advance(LEASE_MS);
      await slow.advance(LEASE_MS);
    }
    expect([epochOf(a), epochOf(b)]).toEqual([1, 0]);
  });

  it('replaces a holder that shows no life for a lease, with a higher epoch', async () => {
    const gone = new TrialClock();
    const a = await start('a', gone);
    const b = await start('b');
    await clock.advance(LEASE_MS - 600);
    expect(epochOf(b)).toBe(0);
    await clock.advance(1500);
    expect(epochOf(b)).toBe(2);
    expect(database.head.epoch).toBe(2);
    // It was paused and goes on: it knows by its own clock, before it has asked anybody.
    gone.freeze(10_000);
    expect(a.ha.state()).toEqual({ role: 'standby' });
    await gone.advance(1000);
    expect(a.ha.state()).toEqual({ role: 'standby', leader: b.ha.self });
  });

  it('fences a former holder even if its clock stands still', async () => {
    const stopped = new TrialClock();
    const a = await start('a', stopped);
    await put(a, 'k', 'one');
    const b = await start('b');
    await clock.advance(2 * LEASE_MS);
    expect([epochOf(a), epochOf(b)]).toEqual([1, 2]);
    await expect(putUnder(a, 1)).rejects.toMatchObject({ code: 'epoch-lost' });
    expect(database.values.has('late')).toBe(false);
    expect(a.ha.state().role).toBe('standby');
    await put(b, 'k', 'two');
    expect(Buffer.from((await b.get('k')) ?? []).toString()).toBe('two');
  });

  it('gives the lead back at once, to another one first', async () => {
    const [a, b] = [await start('a'), await start('b')];
    const changes: HaState[] = [];
    a.ha.onChange((state) => changes.push(state));
    const done = a.ha.stepDown();
    await clock.advance(1000);
    await done;
    expect([epochOf(a), epochOf(b)]).toEqual([0, 2]);
    expect(changes.at(-1)).toEqual({ role: 'standby', leader: b.ha.self });
  });

  it('takes the lead again where no other takes it', async () => {
    const a = await start('a');
    const done = a.ha.stepDown();
    await clock.advance(3000);
    await done;
    expect(epochOf(a)).toBe(2);
  });

  it('ends what a stopped node holds, so that the next one need not wait', async () => {
    const [a, b] = [await start('a'), await start('b')];
    await a.ha.stop();
    expect(a.ha.state()).toEqual({ role: 'standby' });
    await clock.advance(400);
    expect(epochOf(b)).toBe(2);
    await clock.advance(10_000);
    expect(epochOf(a)).toBe(0);
  });

  it('stands down when the database is away for longer than its lease, and comes back', async () => {
    const a = await start('a');
    database.away = true;
    await clock.advance(LEASE_MS);
    expect(a.ha.state()).toEqual({ role: 'standby' });
    database.away = false;
    await clock.advance(LEASE_MS);
    expect(epochOf(a)).toBe(2);
  });

  it('keeps the lead over a short absence of the database', async () => {
    const a = await start('a');
    database.away = true;
    await clock.advance(1000);
    database.away = false;
    await clock.advance(10_000);
    expect(epochOf(a)).toBe(1);
  });

  it('raises its epoch beyond what the store has seen, with whatever lock that was', async () => {
    database.head = { epoch: 41, index: 7 };
    expect(epochOf(await start('a'))).toBe(42);
  });

  it('reads without asking as long as its lease holds, and not a moment longer', async () => {
    const a = await start('a');
    expect(a.readBarrier()).toBeUndefined();
    clock.freeze(LEASE_MS);
    const asked = a.readBarrier();
    expect(asked).toBeInstanceOf(Promise);
    await asked;
  });

  it('waits for as long as the holder counts on, whose version may have another lease', async () => {
    const holder = {
      session: 'another',
      address: { nodeId: 'x', apiAddress: 'http://x', clusterAddress: 'https://x' },
    };
    for (const [leaseMs, waits] of [
      [10_000, 10_000],
      [undefined, 3000],
    ] as const) {
      database = new FakeDatabase();
      database.lock = { epoch: 4, beat: 9, holder: { ...holder, ...(leaseMs === undefined ? {} : { leaseMs }) } };
      const b = await start('b');
      await clock.advance(waits - 600);
      expect(b.ha.state()).toEqual({ role: 'standby', leader: holder.address });
      await clock.advance(700);
      expect(epochOf(b)).toBe(5);
      await b.close();
    }
  });
});

describe('before a node leads', () => {
  const first: BeforeLeading = {
    admit: () => Promise.resolve(),
    firstWrite: async (store) =>
      (await store.get('first')) ? [] : [{ kind: 'put', key: 'first', value: Buffer.from('1') }],
  };

  async function startWith(beforeLeading: BeforeLeading): Promise<RemoteBackend> {
    const node = await openNode('a', database, clock, { beforeLeading });
    nodes.push(node);
    node.ha.start();
    await clock.advance(500);
    return node;
  }

  it('it makes the first write of its reign, where there is one to make', async () => {
    const a = await startWith(first);
    expect([epochOf(a), database.head.index, database.values.has('first')]).toEqual([1, 1, true]);
    await put(a, 'k', 'one');
    await a.close();
    const b = await start('b');
    expect([epochOf(b), database.head.index]).toEqual([2, 2]);
  });

  it('does not lead where it cannot make it, and tries again', async () => {
    let broken = true;
    const a = await startWith({
      ...first,
      firstWrite: () => (broken ? Promise.reject(new StorageError('disk', 'not now')) : Promise.resolve([])),
    });
    expect(a.ha.state().role).toBe('standby');
    const tried = database.head.epoch;
    expect(tried).toBeGreaterThan(0);
    await expect(putUnder(a, tried)).rejects.toMatchObject({ code: 'not-active' });
    broken = false;
    await clock.advance(1000);
    expect(epochOf(a)).toBeGreaterThan(tried);
  });

  it('leaves the lead to others where it must not have it, and follows them', async () => {
    let admitted = false;
    const a = await startWith({
      ...first,
      admit: () => (admitted ? Promise.resolve() : Promise.reject(new StorageError('disk', 'too old'))),
    });
    expect([a.ha.state(), database.lock, database.head.epoch]).toEqual([{ role: 'standby' }, undefined, 0]);
    const b = await start('b');
    await clock.advance(1000);
    expect([epochOf(a), epochOf(b)]).toEqual([0, 1]);
    expect(a.ha.state()).toEqual({ role: 'standby', leader: b.ha.self });
    await b.close();
    admitted = true;
    await clock.advance(1000);
    expect(epochOf(a)).toBe(2);
  });
});

describe('a node without a lock', () => {
  it('claims the store when it starts, and is fenced by who claims it later', async () => {
    const a = await openNode('a', database, clock, { solo: true });
    a.ha.start();
    await clock.advance(500);
    expect([a.ha.enabled, epochOf(a)]).toEqual([false, 1]);
    const b = await openNode('b', database, clock, { solo: true });
    b.ha.start();
    await clock.advance(500);
    await expect(putUnder(a, 1)).rejects.toMatchObject({ code: /^(epoch-lost|not-active)$/ as unknown });
    await clock.advance(10_000);
    expect([epochOf(a), epochOf(b)]).toEqual([0, 2]);
    await settled();
  });

  it('notices within a second that it was replaced though it writes nothing', async () => {
    const a = await openNode('a', database, clock, { solo: true });
    a.ha.start();
    await clock.advance(500);
    database.head = { ...database.head, epoch: 9 };
    await clock.advance(1100);
    expect(a.ha.state().role).toBe('standby');
  });
});
