import { assert } from '@coffer/kernel';

interface Event {
  readonly at: number;
  /** Of events at the same time, the one that was scheduled first comes first. */
  readonly order: number;
  readonly run: () => void;
}

/**
 * What a simulation has for time: a queue of events, run one after the other. Time is in units of no particular
 * length; a node of exact clock ticks every `UNITS_PER_TICK`.
 */
export class EventQueue {
  /** A binary heap: the earliest event is at 0. */
  readonly #heap: Event[] = [];
  #now = 0;
  #scheduled = 0;

  now(): number {
    return this.#now;
  }

  /** Runs `run` after `delay` units (at least 0). */
  after(delay: number, run: () => void): void {
    assert(delay >= 0, 'events: nothing is scheduled in the past');
    const heap = this.#heap;
    const event = { at: this.#now + delay, order: this.#scheduled, run };
    this.#scheduled += 1;
    let at = heap.length;
    while (at > 0) {
      const parentAt = (at - 1) >> 1;
      const parent = heap[parentAt];
      if (parent === undefined || earlier(parent, event)) break;
      heap[at] = parent;
      at = parentAt;
    }
    heap[at] = event;
  }

  /** Runs the earliest event. False if there is none. */
  runNext(): boolean {
    const event = this.#takeFirst();
    if (event === undefined) return false;
    this.#now = event.at;
    event.run();
    return true;
  }

  #takeFirst(): Event | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      const left = heap[2 * at + 1];
      if (left === undefined) break;
      const right = heap[2 * at + 2];
      const rightFirst = right !== undefined && earlier(right, left);
      const child = rightFirst ? right : left;
      if (earlier(last, child)) break;
      heap[at] = child;
      at = rightFirst ? 2 * at + 2 : 2 * at + 1;
    }
    heap[at] = last;
    return first;
  }
}

/** The time between two ticks of a node whose clock is exact. */
export const UNITS_PER_TICK = 100;

function earlier(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
