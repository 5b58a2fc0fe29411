import type { CancelTimer, Clock, Log, Random } from '@coffer/kernel';
import type { Epoch, HaCoordinator, HaState, NodeAddress } from '@coffer/storage';
import { Unreachable } from '../remote-store.ts';
import type { LockRecord, LockStore } from '../remote-store.ts';

/**
 * So long a holder is believed after its last sign of life, in milliseconds. Each node measures it by its own steady
 * clock from when it saw the sign: no clock is compared with another's. It stands in the lock's record, so that nodes of
 * versions with different leases wait for what the holder counts on.
 */
export const LEASE_MS = 2000;
/** Of holders whose record does not say. */
const FORMER_LEASE_MS = 3000;
/** A holder trusts its own lease for less: clocks may run at slightly different rates. */
const OWN_LEASE_MS = 1800;
/** A holder shows that it lives. */
const BEAT_MS = 400;
/** A standby looks. */
const LOOK_MS = 200;
/** Others may take what was given back before this node tries again. */
const HAND_OVER_MS = 2000;

export interface ElectionParts {
  readonly self: NodeAddress;
  /** Undefined: no other node uses the storage (no `ha_enabled`), and the epoch alone fences off who does. */
  readonly lock: LockStore | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** The store's epoch: the lock's is raised beyond it. */
  readonly storeEpoch: () => Promise<Epoch>;
  /** Asked before the lock is taken. @throws StorageError where this node must not lead */
  readonly admit: () => Promise<void>;
  /** Claims the store and catches up with it; true if it was claimed. */
  readonly takeOver: (epoch: Epoch) => Promise<boolean>;
  /** Takes writes under this epoch from now on, and makes those that come before all others. */
  readonly begin: (epoch: Epoch) => Promise<void>;
  /** Takes no more writes; resolves when none is on its way. */
  readonly end: () => Promise<void>;
}

/** What this node holds. */
interface Holding {
  readonly epoch: Epoch;
  beat: number;
  leaseEndMs: number;
  renewedMs: number;
}

/**
 * Who is active, by a record in a database that is changed by comparing. The holder raises its beat; a standby that has
 * seen no new beat for `LEASE_MS` takes the record with a higher epoch, and then claims the store with it. From that
 * moment the store refuses batches of lower epochs: a holder that was paused and does not know yet that it was replaced
 * can write nothing. Until its lease ends by its own clock nobody can have replaced it: so long it reads without asking.
 */
export class LockElection implements HaCoordinator {
  readonly self: NodeAddress;
  readonly enabled: boolean;
  readonly #parts: ElectionParts;
  readonly #session: string;
  readonly #listeners = new Set<(state: HaState) => void>();
  #state: HaState = { role: 'standby' };
  #holding: Holding | undefined;
  #contending = false;
  /** What was last seen of the holder, and since when. */
  #seen: { readonly beat: number; readonly sinceMs: number } | undefined;
  #notBeforeMs = 0;
  #stepping: Promise<void> | undefined;
  #cancel: CancelTimer | undefined;
  #busy: Promise<void> | undefined;
  #complained = false;

  constructor(parts: ElectionParts) {
    this.#parts = parts;
    this.self = parts.self;
    this.enabled = parts.lock !== undefined;
    this.#session = parts.random.uuid();
    parts.lock?.onHint(() => this.#tick());
  }

  /** @returns as `HaCoordinator.state`; a lease that ran out while the process was paused counts at once */
  state(): HaState {
    if (this.#state.role === 'active' && !this.#leaseHolds()) this.lost(this.#state.epoch, 'its lease ran out');
    return this.#state;
  }

  /** Whether nobody else can have become active by now: reads need not ask. */
  leaseHolds(): boolean {
    return this.enabled && this.state().role === 'active';
  }

  #leaseHolds(): boolean {
    return this.#holding !== undefined && this.#parts.clock.monotonicMs() < this.#holding.leaseEndMs;
  }

  onChange(listener: (state: HaState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Takes part from now on (this node is unsealed). */
  start(): void {
    if (this.#contending) return;
    this.#contending = true;
    this.#seen = undefined;
    this.#notBeforeMs = 0;
    this.#cancel = this.#parts.clock.every(LOOK_MS, () => this.#tick());
    this.#tick();
  }

  /** Until this node is active or knows who is. @throws the signal's reason */
  settled(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        const state = this.state();
        if (signal.aborted) done(() => reject(signal.reason as Error));
        else if (state.role === 'active' || state.leader !== undefined) done(resolve);
      };
      const done = (then: () => void): void => {
        stop();
        signal.removeEventListener('abort', look);
        then();
      };
      const stop = this.onChange(look);
      signal.addEventListener('abort', look);
      look();
    });
  }

  /** Gives back what it holds and takes no further part (sealing). */
  async stop(): Promise<void> {
    this.#contending = false;
    this.#cancel?.();
    this.#cancel = undefined;
    await this.#giveBack();
    this.#become({ role: 'standby' });
  }

  stepDown(): Promise<void> {
    if (!this.enabled || this.state().role !== 'active') return Promise.resolve();
    this.#stepping ??= this.#stepDown().finally(() => {
      this.#stepping = undefined;
    });
    return this.#stepping;
  }

  async #stepDown(): Promise<void> {
    const { clock, log } = this.#parts;
    log.info('giving the lead back');
    this.#notBeforeMs = clock.monotonicMs() + HAND_OVER_MS;
    await this.#giveBack();
    const patience = new AbortController();
    const cancel = clock.after(HAND_OVER_MS * 2, () => patience.abort());
    // That nobody took it in time is no failure: this node may stand again.
    await this.settled(patience.signal).catch(() => undefined);
    cancel();
  }

  /** Another node writes, or the lease ran out: this node is a standby at once. */
  lost(epoch: Epoch, why: string): void {
    if (this.#holding?.epoch !== epoch) return;
    const { log } = this.#parts;
    log.warn('this node is no longer active', { epoch, why });
    this.#holding = undefined;
    this.#seen = undefined;
    void this.#parts.end();
    if (!this.enabled) {
      this.#contending = false;
      log.error('another process has taken over the storage, which is configured for one node alone (no ha_enabled)');
    }
    this.#become({ role: 'standby' });
  }

  async #giveBack(): Promise<void> {
    const holding = this.#holding;
    if (holding) this.#become({ role: 'standby' });
    await this.#parts.end();
    while (this.#busy) await this.#busy;
    const now = this.#holding;
    this.#holding = undefined;
    if (!now || !this.#parts.lock) return;
    try {
      await this.#parts.lock.write({ epoch: now.epoch, beat: now.beat + 1, holder: undefined });
    } catch (error) {
      this.#parts.log.warn('the lead could not be given back; it runs out by itself', { error });
    }
  }

  #tick(): void {
    // Also while a question to the database hangs.
    this.state();
    if (this.#busy || !this.#contending) return;
    this.#busy = this.#act()
      .then(
        () => {
          this.#complained = false;
        },
        (error: unknown) => this.#complain(error),
      )
      .finally(() => {
        this.#busy = undefined;
      });
  }

  /** Once for each time that the database is away. */
  #complain(error: unknown): void {
    if (this.#complained) return;
    this.#complained = true;
    const { log } = this.#parts;
    if (error instanceof Unreachable) log.warn('the database that elects the active node cannot be reached', { error });
    else log.error('the election failed; it goes on', { error });
  }

  async #act(): Promise<void> {
    const holding = this.#holding;
    if (!holding) return this.#look();
    const nowMs = this.#parts.clock.monotonicMs();
    if (nowMs >= holding.leaseEndMs) this.lost(holding.epoch, 'its lease ran out');
    else if (this.#parts.lock && nowMs - holding.renewedMs >= BEAT_MS) await this.#renew(this.#parts.lock, holding);
  }

  async #renew(lock: LockStore, holding: Holding): Promise<void> {
    const { clock } = this.#parts;
    const sentMs = clock.monotonicMs();
    const beat = holding.beat + 1;
    if (await lock.write({ epoch: holding.epoch, beat, holder: this.#holder() })) {
      this.#renewed(holding, beat, sentMs);
      return;
    }
    // Either someone else has it, or an earlier beat of ours arrived though its answer was lost.
    const record = await lock.read();
    if (record?.holder?.session === this.#session && record.epoch === holding.epoch) holding.beat = record.beat;
    else this.lost(holding.epoch, 'another node has taken the lead');
  }

  #renewed(holding: Holding, beat: number, sentMs: number): void {
    holding.beat = beat;
    holding.renewedMs = sentMs;
    holding.leaseEndMs = sentMs + OWN_LEASE_MS;
  }

  async #look(): Promise<void> {
    const { lock, clock } = this.#parts;
    if (!lock) return this.#take(undefined);
    const record = await lock.read();
    const nowMs = clock.monotonicMs();
    if (record?.holder === undefined) {
      this.#become({ role: 'standby' });
      if (nowMs >= this.#notBeforeMs) await this.#take(record);
      return;
    }
    if (record.holder.session === this.#session) {
      // Ours, but not given back or not taken over for want of an answer.
      if (nowMs >= this.#notBeforeMs) await this.#take(record);
      return;
    }
    if (this.#seen?.beat !== record.beat) {
      this.#seen = { beat: record.beat, sinceMs: nowMs };
      this.#become({ role: 'standby', leader: record.holder.address });
    } else if (nowMs - this.#seen.sinceMs >= (record.holder.leaseMs ?? FORMER_LEASE_MS)) {
      this.#become({ role: 'standby' });
      await this.#take(record);
    }
  }

  async #take(record: LockRecord | undefined): Promise<void> {
    const { lock, clock, storeEpoch, admit, log } = this.#parts;
    await admit();
    const epoch = Math.max(record?.epoch ?? 0, await storeEpoch()) + 1;
    const beat = (record?.beat ?? 0) + 1;
    const sentMs = clock.monotonicMs();
    if (!this.#contending) return;
    if (lock && !(await lock.write({ epoch, beat, holder: this.#holder() }))) return;
    const holding: Holding = {
      epoch,
      beat,
      renewedMs: sentMs,
      leaseEndMs: lock ? sentMs + OWN_LEASE_MS : Number.POSITIVE_INFINITY,
    };
    this.#holding = holding;
    log.debug('this node has the lock and takes over the storage', { epoch });
    // Beside the renewals: catching up may take longer than a lease.
    this.#takeOver(holding).catch((error: unknown) => {
      log.warn('taking over the storage failed; it is tried again', { error });
      if (this.#holding !== holding) return;
      this.#holding = undefined;
      void this.#parts.end();
    });
  }

  async #takeOver(holding: Holding): Promise<void> {
    const { takeOver, begin, clock, log } = this.#parts;
    const claimed = await takeOver(holding.epoch);
    if (this.#holding !== holding || !this.#contending) return;
    if (!claimed) {
      this.#holding = undefined;
      return;
    }
    if (clock.monotonicMs() >= holding.leaseEndMs) {
      this.lost(holding.epoch, 'its lease ran out while it took over');
      return;
    }
    await begin(holding.epoch);
    if (this.#holding !== holding || !this.#contending) return;
    log.info('this node is active', { epoch: holding.epoch });
    this.#become({ role: 'active', epoch: holding.epoch, sinceMs: clock.nowMs() });
  }

  #holder(): NonNullable<LockRecord['holder']> {
    return { session: this.#session, address: this.self, leaseMs: LEASE_MS };
  }

  #become(state: HaState): void {
    const was = this.#state;
    if (was.role === 'standby' && state.role === 'standby' && sameAddress(was.leader, state.leader)) return;
    this.#state = state;
    for (const listener of [...this.#listeners]) listener(state);
  }
}

function sameAddress(left: NodeAddress | undefined, right: NodeAddress | undefined): boolean {
  return (
    left?.nodeId === right?.nodeId &&
    left?.apiAddress === right?.apiAddress &&
    left?.clusterAddress === right?.clusterAddress
  );
}
