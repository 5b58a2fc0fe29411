import { assert } from '@coffer/kernel';
import type { Model, Operation } from './model.ts';
import { OperationSet } from './operation-set.ts';
import { Timeline } from './timeline.ts';
import type { Moment } from './timeline.ts';

/** How much work a check may be. */
export interface CheckLimits {
  /** Tries to place an operation, over all partitions; the result is `undecided` beyond. Default ten million. */
  readonly stepsMax?: number;
}

/** Where a history stops being explicable. */
export interface Offence {
  readonly partition: string;
  /** The longest order found that explains a prefix of the history, one operation a line. */
  readonly explained: readonly string[];
  /** The state after `explained`. */
  readonly state: string;
  /** The operations of which one had to come next, and none can. */
  readonly stuck: readonly string[];
}

export type CheckResult =
  | { readonly verdict: 'linearizable'; readonly steps: number }
  | { readonly verdict: 'undecided'; readonly steps: number; readonly partition: string }
  | { readonly verdict: 'not-linearizable'; readonly steps: number; readonly offence: Offence };

const STEPS_MAX = 10_000_000;

/**
 * Whether a history could come from one object that does one call at a time, each between its start and its end.
 *
 * The algorithm is Wing and Gong's (1993) search with Lowe's (2017) cache of configurations seen, over partitions that
 * are checked alone (Horn and Kroening 2015), as Porcupine has it (Athalye 2017). Operations that end and start at the
 * same time count as concurrent.
 */
export function checkLinearizable<State, Input, Output>(
  model: Model<State, Input, Output>,
  history: readonly Operation<Input, Output>[],
  limits: CheckLimits = {},
): CheckResult {
  const stepsMax = limits.stepsMax ?? STEPS_MAX;
  const partitions = new Map<string, Operation<Input, Output>[]>();
  for (const operation of history) {
    const unknown = operation.end === Infinity;
    assert(unknown === (operation.output === undefined), 'history: an output exactly where there is an end');
    assert(operation.start <= operation.end, 'history: no operation ends before it starts');
    if (unknown && model.readOnly(operation.input)) continue;
    const name = model.partition(operation.input);
    const part = partitions.get(name);
    if (part === undefined) partitions.set(name, [operation]);
    else part.push(operation);
  }
  let steps = 0;
  let undecided: string | undefined;
  for (const [name, part] of partitions) {
    const search = new Search(model, part, stepsMax - steps);
    const found = search.run();
    steps += search.steps;
    if (found === 'no') return { verdict: 'not-linearizable', steps, offence: search.offence(name) };
    if (found === 'undecided') undecided ??= name;
  }
  if (undecided !== undefined) return { verdict: 'undecided', steps, partition: undecided };
  return { verdict: 'linearizable', steps };
}

/** The part of a history that was found at fault, for people. */
export function printOffence(offence: Offence, linesMax = 24): string {
  const skipped = Math.max(0, offence.explained.length - linesMax);
  return [
    `partition ${offence.partition}: the history is explained up to here:`,
    ...(skipped > 0 ? [`  (${skipped} operations before)`] : []),
    ...offence.explained.slice(skipped).map((line) => `  ${line}`),
    `state then: ${offence.state}`,
    'none of these can come next:',
    ...offence.stuck.map((line) => `  ${line}`),
  ].join('\n');
}

interface Choice<State> {
  readonly moment: Moment;
  /** The state before the choice. */
  readonly state: State;
}

/** The search in one partition. */
class Search<State, Input, Output> {
  steps = 0;
  readonly #model: Model<State, Input, Output>;
  readonly #operations: readonly Operation<Input, Output>[];
  readonly #stepsMax: number;
  readonly #seen = new Map<string, OperationSet[]>();
  readonly #longest: number[] = [];
  /** How many first operations of `#longest` are those of the order at hand. */
  #agreeing = 0;
  #longestState: State;

  constructor(model: Model<State, Input, Output>, operations: readonly Operation<Input, Output>[], stepsMax: number) {
    this.#model = model;
    this.#operations = operations;
    this.#stepsMax = stepsMax;
    this.#longestState = model.initial();
  }

  run(): 'yes' | 'no' | 'undecided' {
    const operations = this.#operations;
    const timeline = new Timeline(operations);
    const placed = new OperationSet(operations.length);
    const stack: Choice<State>[] = [];
    let state = this.#model.initial();
    /** Operations of unknown outcome may stay out of the order for good, so only the known ones must be placed. */
    let knownLeft = operations.reduce((sum, { end }) => (end === Infinity ? sum : sum + 1), 0);
    let moment = timeline.first();
    while (knownLeft > 0) {
      assert(moment !== undefined, 'history: an operation that is left has an end ahead');
      if (moment.kind === 'start') {
        if (this.steps >= this.#stepsMax) return 'undecided';
        this.steps += 1;
        const next = this.#place(state, moment.operation, placed);
        if (next === undefined) {
          moment = moment.next;
          continue;
        }
        stack.push({ moment, state });
        state = next;
        if (operations[moment.operation]?.end !== Infinity) knownLeft -= 1;
        timeline.take(moment);
        this.#remember(stack, state);
        moment = timeline.first();
        continue;
      }
      const undone = stack.pop();
      if (undone === undefined) return 'no';
      this.#agreeing = Math.min(this.#agreeing, stack.length);
      state = undone.state;
      placed.remove(undone.moment.operation);
      if (operations[undone.moment.operation]?.end !== Infinity) knownLeft += 1;
      timeline.putBack(undone.moment);
      moment = undone.moment.next;
    }
    return 'yes';
  }

  /** Adds the operation to the set and answers the state after, or undefined if it does not fit or was tried before. */
  #place(state: State, index: number, placed: OperationSet): State | undefined {
    const operation = this.#operations[index];
    assert(operation !== undefined, 'history: an operation for every moment');
    const next = this.#model.step(state, operation.input, operation.output);
    if (next === undefined) return undefined;
    placed.add(index);
    const key = `${placed.hash()}/${this.#model.key(next)}`;
    const seen = this.#seen.get(key);
    if (seen === undefined) {
      this.#seen.set(key, [placed.copy()]);
      return next;
    }
    if (seen.some((other) => other.equals(placed))) {
      placed.remove(index);
      return undefined;
    }
    seen.push(placed.copy());
    return next;
  }

  /** Keeps the longest order seen; copies only where it differs, as it mostly grows by one again and again. */
  #remember(stack: readonly Choice<State>[], state: State): void {
    const depth = stack.length;
    const placed = stack[depth - 1]?.moment.operation;
    if (this.#agreeing === depth - 1 && this.#longest[depth - 1] === placed) this.#agreeing = depth;
    if (depth <= this.#longest.length) return;
    this.#longest.length = this.#agreeing;
    for (const choice of stack.slice(this.#agreeing)) this.#longest.push(choice.moment.operation);
    this.#agreeing = depth;
    this.#longestState = state;
  }

  offence(partition: string): Offence {
    const order = this.#longest;
    const explained = new Set(order);
    const left = this.#operations.filter((_, index) => !explained.has(index));
    const earliestEnd = left.reduce((least, { end }) => Math.min(least, end), Infinity);
    return {
      partition,
      explained: order.map((index) => this.#line(this.#operations[index])),
      state: this.#model.key(this.#longestState),
      stuck: left.filter(({ start }) => start <= earliestEnd).map((operation) => this.#line(operation)),
    };
  }

  #line(operation: Operation<Input, Output> | undefined): string {
    assert(operation !== undefined, 'history: every index is of an operation');
    const end = operation.end === Infinity ? '…' : operation.end;
    return `[${operation.start}, ${end}] client ${operation.client}: ${this.#model.describe(operation.input, operation.output)}`;
  }
}
