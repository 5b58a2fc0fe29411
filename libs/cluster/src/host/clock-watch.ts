import type { Clock, Log } from '@coffer/kernel';
import type { NodeAddress } from '@coffer/storage';
import type { ForwardChannel } from '../cluster.ts';

const CLOCK = 'cluster/clock';
const ASK_EVERY_MS = 2000;
const ANSWER_MS_MAX = 5000;
/** What a standby said counts for so long, in milliseconds. */
const FRESH_MS = 15_000;
/** A clock that is further from those of the others is wrong: tokens and leases would end at other times here. */
const SKEW_MS_MAX = 5000;
/** An active node whose clock is wrong tries so often to hand over, in milliseconds. */
const HAND_OVER_EVERY_MS = 60_000;

export interface ClockWatchHost {
  active(): boolean;
  leaderAddress(): NodeAddress | undefined;
  isMember(nodeId: string): boolean;
  handOver(): Promise<void>;
}

/**
 * Compares the clocks of the nodes. A standby asks the active node for its time (Cristian, 1989: it counts for the middle
 * of the exchange) and tells it with the next question how far its own is from that; the active node answers with the
 * median, which a minority of wrong clocks cannot move far. So each learns whether it is its own clock that is wrong,
 * and an active node that finds that hands over. Safety never hangs on clocks; when tokens and leases end does.
 */
export class ClockWatch {
  readonly #host: ClockWatchHost;
  readonly #forward: ForwardChannel;
  readonly #clock: Clock;
  readonly #log: Log;
  /** How far standbys' clocks are ahead of this active node's, and when that was told. */
  readonly #offsets = new Map<string, { readonly ms: number; readonly atMs: number }>();
  #ownOffsetMs: number | undefined;
  #skewMs = 0;
  #wrong = false;
  #askedAtMs = -Infinity;
  #handedOverAtMs = -Infinity;
  #asking = false;

  constructor(host: ClockWatchHost, forward: ForwardChannel, clock: Clock, log: Log) {
    this.#host = host;
    this.#forward = forward;
    this.#clock = clock;
    this.#log = log;
    forward.serve(CLOCK, (payload, from) => {
      const offset = readNumber(payload, 'offsetMs');
      if (host.active() && host.isMember(from) && offset !== undefined) {
        this.#offsets.set(from, { ms: offset, atMs: clock.monotonicMs() });
      }
      return Promise.resolve(Buffer.from(JSON.stringify({ nowMs: clock.nowMs(), medianMs: this.#medianMs() })));
    });
  }

  /** How far this node's clock is ahead of the median of all, in milliseconds; 0 while that is not known. */
  get skewMs(): number {
    return this.#skewMs;
  }

  /** Whether that is more than tokens and leases can bear. */
  get wrong(): boolean {
    return this.#wrong;
  }

  /** Called with each tick. */
  tend(): void {
    const nowMs = this.#clock.monotonicMs();
    if (this.#asking || nowMs - this.#askedAtMs < ASK_EVERY_MS) return;
    this.#askedAtMs = nowMs;
    if (this.#host.active()) {
      this.#ownOffsetMs = undefined;
      this.#judge(-this.#medianMs(), 0);
      this.#stepAside(nowMs);
      return;
    }
    this.#offsets.clear();
    const leader = this.#host.leaderAddress();
    if (leader !== undefined) this.#ask(leader);
  }

  #ask(leader: NodeAddress): void {
    this.#asking = true;
    const controller = new AbortController();
    const cancel = this.#clock.after(ANSWER_MS_MAX, () => controller.abort(new Error('no answer in time')));
    const sentAtMs = this.#clock.nowMs();
    this.#forward
      .call(leader, CLOCK, Buffer.from(JSON.stringify({ offsetMs: this.#ownOffsetMs })), controller.signal)
      .then((answer) => {
        const theirMs = readNumber(answer, 'nowMs');
        const medianMs = readNumber(answer, 'medianMs');
        if (theirMs === undefined || medianMs === undefined || this.#host.active()) return;
        const wayMs = Math.abs(this.#clock.nowMs() - sentAtMs);
        this.#ownOffsetMs = sentAtMs + wayMs / 2 - theirMs;
        this.#judge(this.#ownOffsetMs - medianMs, wayMs / 2);
      })
      .catch((error: unknown) => this.#log.debug('the active node did not tell its time', { error }))
      .finally(() => {
        cancel();
        this.#asking = false;
      });
  }

  #judge(skewMs: number, uncertainMs: number): void {
    this.#skewMs = skewMs;
    const wrong = Math.abs(skewMs) - uncertainMs > SKEW_MS_MAX;
    if (wrong && !this.#wrong) {
      this.#log.error("this node's clock is wrong: it differs from those of the others", { aheadMs: skewMs });
    } else if (!wrong && this.#wrong) {
      this.#log.info("this node's clock agrees with the others' again", { aheadMs: skewMs });
    }
    this.#wrong = wrong;
  }

  #stepAside(nowMs: number): void {
    if (!this.#wrong || nowMs - this.#handedOverAtMs < HAND_OVER_EVERY_MS) return;
    this.#handedOverAtMs = nowMs;
    this.#host.handOver().catch((error: unknown) => this.#log.warn('the lead could not be handed over', { error }));
  }

  /** Of an even number the one of the two in the middle that is nearer to the own clock: with two nobody knows better. */
  #medianMs(): number {
    const nowMs = this.#clock.monotonicMs();
    const offsets = [0];
    for (const [nodeId, { ms, atMs }] of this.#offsets) {
      if (nowMs - atMs <= FRESH_MS && this.#host.isMember(nodeId)) offsets.push(ms);
    }
    offsets.sort((left, right) => left - right);
    const upper = offsets[offsets.length >> 1] as number;
    const lower = offsets[(offsets.length - 1) >> 1] as number;
    return Math.abs(lower) < Math.abs(upper) ? lower : upper;
  }
}

/** Undefined for what is none, say of a later version. */
function readNumber(payload: Uint8Array, name: string): number | undefined {
  try {
    const raw = JSON.parse(Buffer.from(payload).toString('utf8')) as Readonly<Record<string, unknown>> | null;
    const value = raw?.[name];
    return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
