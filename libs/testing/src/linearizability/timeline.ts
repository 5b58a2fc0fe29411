import { assert } from '@coffer/kernel';

/** The start or the end of an operation, in a doubly linked list. */
export interface Moment {
  readonly kind: 'start' | 'end';
  /** The number of the operation in its history. */
  readonly operation: number;
  /** Of a start, its end. */
  readonly match: Moment | undefined;
  previous: Moment | undefined;
  next: Moment | undefined;
}

/** Starts and ends in the order of time, from which operations are taken and put back where they were. */
export class Timeline {
  /** Before the first, so that there is always a previous. */
  readonly #head: Moment = { kind: 'start', operation: -1, match: undefined, previous: undefined, next: undefined };

  constructor(operations: readonly { readonly start: number; readonly end: number }[]) {
    const moments: { readonly at: number; readonly moment: Moment }[] = [];
    operations.forEach(({ start, end }, operation) => {
      const last: Moment = { kind: 'end', operation, match: undefined, previous: undefined, next: undefined };
      moments.push({ at: start, moment: { ...last, kind: 'start', match: last } }, { at: end, moment: last });
    });
    // At the same time starts come first: such operations are concurrent.
    moments.sort((a, b) => {
      if (a.at !== b.at) return a.at < b.at ? -1 : 1;
      if (a.moment.kind !== b.moment.kind) return a.moment.kind === 'start' ? -1 : 1;
      return a.moment.operation - b.moment.operation;
    });
    let previous = this.#head;
    for (const { moment } of moments) {
      previous.next = moment;
      moment.previous = previous;
      previous = moment;
    }
  }

  first(): Moment | undefined {
    return this.#head.next;
  }

  /** Takes an operation out, start and end. */
  take(start: Moment): void {
    assert(start.match !== undefined, 'timeline: operations are taken by their start');
    unlink(start);
    unlink(start.match);
  }

  /** Undoes the last `take` that was not yet undone. */
  putBack(start: Moment): void {
    assert(start.match !== undefined, 'timeline: operations are put back by their start');
    relink(start.match);
    relink(start);
  }
}

function unlink(moment: Moment): void {
  if (moment.previous !== undefined) moment.previous.next = moment.next;
  if (moment.next !== undefined) moment.next.previous = moment.previous;
}

/** A moment keeps its neighbours when unlinked; undoing in reverse order, they are its neighbours again. */
function relink(moment: Moment): void {
  if (moment.previous !== undefined) moment.previous.next = moment;
  if (moment.next !== undefined) moment.next.previous = moment;
}
