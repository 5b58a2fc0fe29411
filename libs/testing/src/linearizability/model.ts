/**
 * One call of a client and what came of it. Times are whole numbers of one clock that all clients share (event numbers
 * of a simulation, or nanoseconds of one monotonic clock); only their order counts.
 */
export interface Operation<Input, Output> {
  /** Who called; only for printing. */
  readonly client: number;
  readonly input: Input;
  /** When the call was made. */
  readonly start: number;
  /** When the answer came; `Infinity` where none came, and the call may have taken effect at any time, or never. */
  readonly end: number;
  /** The answer; absent exactly where `end` is `Infinity`. */
  readonly output?: Output;
}

/**
 * What the history is compared with: a sequential object. States are immutable values.
 */
export interface Model<State, Input, Output> {
  readonly name: string;
  initial(): State;
  /**
   * The state after `input`, or undefined where `output` could not have come of it. `output` is undefined for an
   * unknown outcome: whatever the object would have answered is right then.
   */
  step(state: State, input: Input, output: Output | undefined): State | undefined;
  /** A text that is equal for two states exactly if they are equal. */
  key(state: State): string;
  /** Which part of the object the call is about. Calls on different parts must be independent of each other. */
  partition(input: Input): string;
  /** Whether the call changes nothing, so that one of unknown outcome can be left out. */
  readOnly(input: Input): boolean;
  describe(input: Input, output: Output | undefined): string;
}
