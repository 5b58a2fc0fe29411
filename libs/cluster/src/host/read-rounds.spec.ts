import type { StorageError } from '@coffer/storage';
import { ReadRounds } from './read-rounds.ts';

function setUp() {
  const world = { asked: [] as number[], nowMs: 0, applied: 5, leader: true };
  const rounds = new ReadRounds({
    ask: (request) => world.asked.push(request),
    nowMs: () => world.nowMs,
    appliedIndex: () => world.applied,
    leaderKnown: () => world.leader,
  });
  const outcomes: string[] = [];
  const read = (name: string, signal?: AbortSignal): void => {
    rounds.wait(signal).then(
      () => outcomes.push(name),
      (error: StorageError) => outcomes.push(`${name}: ${error.code}`),
    );
  };
  const settled = async (): Promise<string[]> => {
    await new Promise((resolve) => setImmediate(resolve));
    return outcomes;
  };
  return { world, rounds, read, settled };
}

describe('rounds of reads', () => {
  it('are shared by those that arrive while one is under way', async () => {
    const { world, rounds, read, settled } = setUp();
    read('a');
    read('b');
    read('c');
    expect(world.asked).toEqual([1]);
    rounds.answer({ request: 1, index: 5 });
    // b and c came after the leader was asked: that answer does not hold for them.
    expect(await settled()).toEqual(['a']);
    expect(world.asked).toEqual([1, 2]);
    rounds.answer({ request: 2, index: 5 });
    expect(await settled()).toEqual(['a', 'b', 'c']);
    expect(world.asked).toEqual([1, 2]);
  });

  it('wait until what was confirmed is applied', async () => {
    const { rounds, read, settled } = setUp();
    read('a');
    rounds.answer({ request: 1, index: 8 });
    rounds.applied(7);
    expect(await settled()).toEqual([]);
    rounds.applied(8);
    expect(await settled()).toEqual(['a']);
  });

  it('are asked again when they failed or the answer got lost, and late answers do not count', async () => {
    const { world, rounds, read, settled } = setUp();
    read('a');
    rounds.answer({ request: 1, failed: true });
    expect(world.asked).toEqual([1]);
    rounds.tick();
    expect(world.asked).toEqual([1, 2]);
    world.nowMs = 300;
    rounds.tick();
    expect(world.asked).toEqual([1, 2, 3]);
    rounds.answer({ request: 2, index: 1 });
    expect(await settled()).toEqual([]);
    rounds.answer({ request: 3, index: 1 });
    expect(await settled()).toEqual(['a']);
  });

  it('begin as soon as there is a leader', async () => {
    const { world, rounds, read, settled } = setUp();
    world.leader = false;
    read('a');
    expect(world.asked).toEqual([]);
    world.leader = true;
    rounds.tick();
    rounds.answer({ request: 1, index: 1 });
    expect(await settled()).toEqual(['a']);
  });

  it('end for want of a leader, of an answer, or by the caller', async () => {
    const { world, rounds, read, settled } = setUp();
    const controller = new AbortController();
    read('aborted', controller.signal);
    read('late');
    controller.abort();
    read('dead', controller.signal);
    world.nowMs = 5000;
    rounds.tick();
    world.leader = false;
    read('alone');
    world.nowMs = 10_000;
    rounds.tick();
    expect(await settled()).toEqual(['aborted: deadline', 'dead: deadline', 'late: deadline', 'alone: no-leader']);
  });
});
