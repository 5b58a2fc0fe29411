import { assert } from '@coffer/kernel';
import type { LogIndex, PeerId } from './message.ts';
import type { ReadState } from './raft.ts';

/** A read that a leader is to confirm, for itself or for a follower. */
export interface LeaderRead {
  readonly from: PeerId;
  readonly request: number;
  /** The commit index when it was asked for. */
  readonly index: LogIndex;
}

/** Reads that one round of heartbeats confirms together. */
export interface ReadRound {
  readonly round: number;
  readonly reads: LeaderRead[];
}

/** Reads that were forwarded to the leader with one message. */
export interface ForwardedReads {
  readonly requests: number[];
  /** When they were asked for, in ticks. */
  readonly askedAt: number;
}

/** The bookkeeping of reads that wait for the leader's confirmation; the rules are in `read-index.ts`. */
export class PendingReads {
  /** Answers that wait for the next `Ready`. */
  #answers: ReadState[] = [];
  /** As the leader: asked for before anything was committed in this term. */
  readonly held: { readonly from: PeerId; readonly request: number }[] = [];
  /** As the leader: in the order of rounds. */
  readonly rounds: ReadRound[] = [];
  /** The number of the last heartbeat round; every leader counts on. */
  round = 0;
  /** Its heartbeats have not been handed to the host, so reads can still join it. */
  roundOpen = false;
  /** As a follower: by the number that went to the leader, in the order of asking. */
  readonly forwarded = new Map<number, ForwardedReads>();
  /** The forwarded message that has not been handed to the host, so that reads can still join it. */
  openForward: ForwardedReads | undefined;
  #nextForward: number;

  constructor(firstForward: number) {
    assert(Number.isSafeInteger(firstForward) && firstForward >= 0, 'requests are numbered with safe integers');
    this.#nextForward = firstForward + 1;
  }

  get hasAnswers(): boolean {
    return this.#answers.length > 0;
  }

  answer(request: number, index: LogIndex): void {
    this.#answers.push({ request, index });
  }

  fail(request: number): void {
    this.#answers.push({ request, failed: true });
  }

  nextForward(): number {
    return this.#nextForward++;
  }

  /** Hands the answers to the host; messages go with them, so nothing can join those any more. */
  take(): readonly ReadState[] {
    this.roundOpen = false;
    this.openForward = undefined;
    const answers = this.#answers;
    this.#answers = [];
    return answers;
  }
}
