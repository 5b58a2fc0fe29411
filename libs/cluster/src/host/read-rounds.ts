import { StorageError } from '@coffer/storage';
import type { LogIndex, ReadState } from 'raft-ts';

/** So long a read waits for a leader to confirm that this state is new enough, in milliseconds. */
const READ_MS_MAX = 5000;
/** Messages get lost: a round without an answer for so long is asked again. */
const ROUND_MS_MAX = 250;

interface Waiter {
  readonly since: number;
  readonly resolve: () => void;
  readonly reject: (error: StorageError) => void;
  readonly signal: AbortSignal | undefined;
  readonly onAbort: () => void;
}

export interface ReadRoundsHost {
  /** Asks raft; the answer comes as a `ReadState` with this number. */
  ask(request: number): void;
  nowMs(): number;
  appliedIndex(): LogIndex;
  leaderKnown(): boolean;
}

/**
 * Linearizable reads in rounds (thesis, section 6.4): what arrives while a round is under way shares the next one, so
 * that a thousand reads cost one exchange of heartbeats.
 */
export class ReadRounds {
  readonly #host: ReadRoundsHost;
  /** Waiting for the next round. */
  #next = new Set<Waiter>();
  /** Asked, not answered. */
  #asked = new Set<Waiter>();
  /** Answered, and waiting until so much is applied. */
  #answered: { readonly index: LogIndex; readonly waiters: Set<Waiter> }[] = [];
  #request = 0;
  #askedAtMs = 0;
  #open = false;

  constructor(host: ReadRoundsHost) {
    this.#host = host;
  }

  /** @throws StorageError `no-leader`, `deadline` */
  wait(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#drop(waiter);
        reject(new StorageError('deadline', 'the request ended before a leader confirmed the read'));
      };
      const waiter: Waiter = { since: this.#host.nowMs(), resolve, reject, signal, onAbort };
      if (signal?.aborted === true) return onAbort();
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#next.add(waiter);
      this.#begin();
    });
  }

  answer(state: ReadState): void {
    if (!this.#open || state.request !== this.#request) return;
    this.#open = false;
    const waiters = this.#asked;
    this.#asked = new Set();
    if ('failed' in state) {
      // Asked again at the next tick, not at once: without a leader this would spin.
      for (const waiter of waiters) this.#next.add(waiter);
      return;
    }
    if (state.index <= this.#host.appliedIndex()) finish(waiters);
    else this.#answered.push({ index: state.index, waiters });
    this.#begin();
  }

  applied(index: LogIndex): void {
    if (this.#answered.length === 0) return;
    this.#answered = this.#answered.filter((round) => {
      if (round.index > index) return true;
      finish(round.waiters);
      return false;
    });
  }

  tick(): void {
    const nowMs = this.#host.nowMs();
    if (this.#open && nowMs - this.#askedAtMs >= ROUND_MS_MAX) {
      this.#open = false;
      for (const waiter of this.#asked) this.#next.add(waiter);
      this.#asked = new Set();
    }
    this.#expire(nowMs);
    this.#begin();
  }

  /** Ends all that wait. */
  abandon(error: () => StorageError): void {
    for (const waiters of this.#groups()) {
      for (const waiter of waiters) fail(waiter, error());
      waiters.clear();
    }
    this.#answered = [];
    this.#open = false;
  }

  #begin(): void {
    if (this.#open || this.#next.size === 0 || !this.#host.leaderKnown()) return;
    this.#open = true;
    this.#asked = this.#next;
    this.#next = new Set();
    this.#askedAtMs = this.#host.nowMs();
    this.#host.ask(++this.#request);
  }

  #expire(nowMs: number): void {
    for (const waiters of this.#groups()) {
      for (const waiter of waiters) {
        if (nowMs - waiter.since < READ_MS_MAX) continue;
        waiters.delete(waiter);
        fail(
          waiter,
          this.#host.leaderKnown()
            ? new StorageError('deadline', 'no leader confirmed the read in time')
            : new StorageError('no-leader', 'the cluster has no leader at the moment'),
        );
      }
    }
  }

  #drop(waiter: Waiter): void {
    for (const waiters of this.#groups()) waiters.delete(waiter);
  }

  #groups(): Set<Waiter>[] {
    return [this.#next, this.#asked, ...this.#answered.map((round) => round.waiters)];
  }
}

function finish(waiters: ReadonlySet<Waiter>): void {
  for (const waiter of waiters) {
    waiter.signal?.removeEventListener('abort', waiter.onAbort);
    waiter.resolve();
  }
}

function fail(waiter: Waiter, error: StorageError): void {
  waiter.signal?.removeEventListener('abort', waiter.onAbort);
  waiter.reject(error);
}
