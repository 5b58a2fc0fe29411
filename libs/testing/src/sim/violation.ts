/** What a simulation can find wrong. */
export type Invariant =
  | 'election safety'
  | 'log matching'
  | 'leader completeness'
  | 'state machine safety'
  | 'commit by quorum'
  | 'commit of own term'
  | 'one vote a term'
  | 'monotonic term'
  | 'monotonic commit'
  | 'order of application'
  | 'linearizability'
  | 'liveness'
  | 'assertion';

/** A promise of Raft, or of the service on it, that a schedule broke. */
export class Violation extends Error {
  override readonly name = 'Violation';
  readonly invariant: Invariant;

  constructor(invariant: Invariant, detail: string) {
    super(`${invariant}: ${detail}`);
    this.invariant = invariant;
  }
}
