import { EventQueue } from './event-queue.ts';
import { SeededRandom } from './seeded-random.ts';

describe('the event queue', () => {
  it('runs events by time, and those of one time as they were scheduled', () => {
    const queue = new EventQueue();
    const random = new SeededRandom(5);
    const ran: { readonly at: number; readonly order: number }[] = [];
    for (let order = 0; order < 500; order += 1) {
      const at = random.below(50);
      queue.after(at, () => ran.push({ at, order }));
    }
    while (queue.runNext());
    expect(ran).toHaveLength(500);
    expect(ran).toEqual(ran.toSorted((a, b) => a.at - b.at || a.order - b.order));
  });

  it('counts delays from the event that asks', () => {
    const queue = new EventQueue();
    const times: number[] = [];
    queue.after(10, () => queue.after(5, () => times.push(queue.now())));
    queue.after(12, () => times.push(queue.now()));
    while (queue.runNext());
    expect(times).toEqual([12, 15]);
    expect(queue.runNext()).toBe(false);
    expect(() => queue.after(-1, () => undefined)).toThrow('nothing is scheduled in the past');
  });
});
