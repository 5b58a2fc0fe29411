import { assert } from '@coffer/kernel';
import type { LogIndex } from './message.ts';
import { InflightWindow } from './inflight-window.ts';

export type ProgressState = 'probe' | 'replicate' | 'snapshot';

/**
 * What the leader knows of one member.
 *
 * `probe`: where the logs meet is unknown; one append at a time, until one is accepted. `replicate`: appends stream,
 * `next` runs ahead of the answers within the inflight window. `snapshot`: what comes next is compacted away; a
 * snapshot is under way and appends wait.
 */
export class Progress {
  state: ProgressState = 'probe';
  /** The last index known to be the same and durable there. */
  match: LogIndex = 0;
  /** The next index to send; always beyond `match`. */
  next: LogIndex;
  learner: boolean;
  /** The snapshot on its way, in state `snapshot`. */
  pendingSnapshot: LogIndex = 0;
  /** In state `probe`: an append is out and unanswered. */
  probeSent = false;
  /** An append should go out even if there is nothing new: to find out whether earlier ones got lost. */
  poked = true;
  /** The commit index as last sent with an append. */
  sentCommit: LogIndex = 0;
  /** The last heartbeat round it answered. */
  ackedRound = 0;
  /** The last heartbeat round sent to it, and the commit index that went with the first heartbeat of it. */
  sentRound = -1;
  sentRoundCommit: LogIndex = 0;
  /** It knows that everything up to here is committed. */
  knownCommit: LogIndex = 0;
  /** When it last said anything, in the leader's ticks. */
  heardAt: number;
  /** When `match` last moved, in the leader's ticks. */
  advancedAt: number;
  readonly window: InflightWindow;

  constructor(next: LogIndex, inflightMax: number, now: number, learner: boolean) {
    assert(next >= 1, 'the first index to send is at least 1');
    this.next = next;
    this.window = new InflightWindow(inflightMax);
    this.heardAt = now;
    this.advancedAt = now;
    this.learner = learner;
  }

  /** Whether nothing may be sent for now. */
  get paused(): boolean {
    if (this.state === 'probe') return this.probeSent;
    return this.state === 'snapshot' || this.window.full;
  }

  becomeProbe(): void {
    // After a snapshot go on behind it, if it arrived as was reported.
    this.next = Math.max(this.match, this.state === 'snapshot' ? this.pendingSnapshot : 0) + 1;
    this.#enter('probe');
    this.sentCommit = 0;
  }

  becomeReplicate(): void {
    this.#enter('replicate');
    this.next = this.match + 1;
  }

  becomeSnapshot(index: LogIndex): void {
    this.#enter('snapshot');
    this.pendingSnapshot = index;
  }

  #enter(state: ProgressState): void {
    this.state = state;
    this.pendingSnapshot = 0;
    this.probeSent = false;
    this.window.clear();
  }

  /** An append up to `lastIndex` with `count` entries went out. */
  sent(count: number, lastIndex: LogIndex): void {
    assert(this.state !== 'snapshot', 'nothing is appended while a snapshot is under way');
    if (this.state === 'probe') {
      this.probeSent = true;
      return;
    }
    if (count === 0) return;
    this.next = lastIndex + 1;
    this.window.add(lastIndex);
  }

  /** It has everything up to `index`. Whether that is news. */
  matched(index: LogIndex, now: number): boolean {
    if (this.next <= index) this.next = index + 1;
    if (index <= this.match) return false;
    this.match = index;
    this.probeSent = false;
    this.advancedAt = now;
    return true;
  }

  /**
   * It refused the append after `rejected`, and suggests to go on after `hint`. Whether that is an answer to what was
   * sent last; late ones change nothing.
   */
  refused(rejected: LogIndex, hint: LogIndex): boolean {
    if (this.state === 'snapshot') return false;
    if (this.state === 'replicate') {
      if (rejected <= this.match) return false;
      this.becomeProbe();
      this.poked = true;
      return true;
    }
    // A late answer; or it has lost what it had, and asking again at once would not bring that back.
    if (this.next - 1 !== rejected || rejected <= this.match) return false;
    this.next = Math.max(Math.min(rejected, hint + 1), this.match + 1);
    this.probeSent = false;
    this.poked = true;
    return true;
  }
}
