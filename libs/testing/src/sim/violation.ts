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
  /** A leader that has heard no quorum for long must not lead on (thesis, section 6.2). */
  | 'check quorum'
  /** While all is well, leader and term stay (thesis, sections 4.2.3 and 9.6). */
  | 'stability'
  /** While all is well and nobody calls, there is little to say. */
  | 'quiet'
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
