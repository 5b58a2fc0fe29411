import type { Clock, Log } from '@coffer/kernel';
import type { HaState, NodeAddress } from '@coffer/storage';
import type { Term } from 'raft-ts';

/** Whether this node is the active one, and who wants to know. */
export class HaRole {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #listeners = new Set<(state: HaState) => void>();
  #state: HaState = { role: 'standby' };
  #activeTerm: Term = 0;

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
  }

  get state(): HaState {
    return this.#state;
  }

  /** The term in which this node may write; 0 if it may not. */
  get activeTerm(): Term {
    return this.#activeTerm;
  }

  onChange(listener: (state: HaState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  becomeActive(term: Term): void {
    this.#activeTerm = term;
    this.#log.info('this node is active', { term });
    this.#set({ role: 'active', epoch: term, sinceMs: this.#clock.nowMs() });
  }

  becomeStandby(leader: NodeAddress | undefined): void {
    const was = this.#state;
    if (was.role === 'standby' && sameAddress(was.leader, leader)) return;
    if (was.role === 'active') this.#log.info('this node is no longer active');
    this.#activeTerm = 0;
    this.#set(leader === undefined ? { role: 'standby' } : { role: 'standby', leader });
  }

  #set(state: HaState): void {
    this.#state = state;
    for (const listener of this.#listeners) listener(state);
  }
}

function sameAddress(left: NodeAddress | undefined, right: NodeAddress | undefined): boolean {
  return (
    left?.nodeId === right?.nodeId &&
    left?.apiAddress === right?.apiAddress &&
    left?.clusterAddress === right?.clusterAddress
  );
}
