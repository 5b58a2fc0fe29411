import { SCHEDULES, SCHEDULE_RESULTS } from '@coffer/core-system';
import type { ScheduleResult, ScheduleStatus, SnapshotSchedule, SnapshotSchedules } from '@coffer/core-system';
import { LONGEST_TIMER_MS, Turns } from '@coffer/kernel';
import type { CancelTimer, Clock, Log } from '@coffer/kernel';
import type { MountContext } from '@coffer/sdk';
import type { SnapshotStore } from './snapshot-store.ts';

export interface SnapshotSchedulerDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** The archive of the present state. */
  readonly save: () => Promise<AsyncIterable<Uint8Array>>;
  /** Reads an archive and checks every sum and seal in it. @throws what is wrong with it */
  readonly verify: (archive: AsyncIterable<Uint8Array>) => Promise<void>;
  readonly openStore: (schedule: SnapshotSchedule) => Promise<SnapshotStore>;
}

/** Where schedules are stored: the part of the store that belongs to `sys/`. */
export type ScheduleStorage = Pick<MountContext, 'view' | 'transact'>;

const NEVER: ScheduleResult = { consecutiveErrors: 0, lastStartMs: 0, lastEndMs: 0, lastError: '', lastUrl: '' };
/** What failed is tried again after so long, or after the interval if that is shorter, in milliseconds. */
const RETRY_MS = 60_000;

interface Running {
  readonly schedule: SnapshotSchedule;
  result: ScheduleResult;
  cancel: CancelTimer;
  startMs: number;
  url: string;
}

/** Takes snapshots by themselves, on the active node, each verified by reading it back. */
export class SnapshotScheduler implements SnapshotSchedules {
  readonly #deps: SnapshotSchedulerDeps;
  readonly #running = new Map<string, Running>();
  readonly #turns = new Turns();
  #storage: ScheduleStorage | undefined;

  constructor(deps: SnapshotSchedulerDeps) {
    this.#deps = deps;
  }

  /** This node is active. */
  start(storage: ScheduleStorage): void {
    this.stop();
    this.#storage = storage;
    this.changed();
  }

  /** It is no longer. A snapshot that is under way is finished, but not noted. */
  stop(): void {
    this.#storage = undefined;
    for (const { cancel } of this.#running.values()) cancel();
    this.#running.clear();
  }

  changed(): void {
    this.#turns
      .take(() => this.#load())
      .catch((error: unknown) => this.#deps.log.error('the schedules of snapshots cannot be read', { error }));
  }

  status(name: string): ScheduleStatus | undefined {
    const running = this.#running.get(name);
    if (!running) return undefined;
    const { result, startMs, url } = running;
    return { ...result, startMs, url, nextStartMs: dueMs(running) };
  }

  async #load(): Promise<void> {
    const storage = this.#storage;
    if (!storage) return;
    const names = new Set(await storage.view.list(SCHEDULES));
    for (const [name, { cancel }] of this.#running) {
      if (names.has(name)) continue;
      cancel();
      this.#running.delete(name);
    }
    for (const name of names) {
      const schedule = await storage.view.getJson<SnapshotSchedule>(SCHEDULES + name);
      const former = this.#running.get(name);
      if (!schedule || (former && JSON.stringify(former.schedule) === JSON.stringify(schedule))) continue;
      former?.cancel();
      const stored = await storage.view.getJson<ScheduleResult>(SCHEDULE_RESULTS + name);
      if (this.#storage !== storage) return;
      const running: Running = {
        schedule,
        result: former?.result ?? stored ?? NEVER,
        cancel: () => undefined,
        startMs: 0,
        url: '',
      };
      this.#running.set(name, running);
      // A changed configuration shows at once whether it works.
      this.#plan(name, running, former ? 0 : dueMs(running) - this.#deps.clock.nowMs());
    }
  }

  #plan(name: string, running: Running, delayMs: number): void {
    running.cancel = this.#deps.clock.after(Math.min(Math.max(0, delayMs), LONGEST_TIMER_MS), () => {
      if (dueMs(running) > this.#deps.clock.nowMs() && delayMs > LONGEST_TIMER_MS) {
        this.#plan(name, running, dueMs(running) - this.#deps.clock.nowMs());
        return;
      }
      void this.#turns.take(() => this.#run(name, running));
    });
  }

  /** Never rejects. */
  async #run(name: string, running: Running): Promise<void> {
    if (this.#running.get(name) !== running) return;
    const { clock, log } = this.#deps;
    running.startMs = clock.nowMs();
    const { startMs, result: before } = running;
    try {
      await this.#take(running);
      running.result = {
        consecutiveErrors: 0,
        lastStartMs: startMs,
        lastEndMs: clock.nowMs(),
        lastError: '',
        lastUrl: running.url,
      };
      log.info('a snapshot was taken and read back', { name, url: running.url });
    } catch (error) {
      running.result = {
        ...before,
        consecutiveErrors: before.consecutiveErrors + 1,
        lastStartMs: startMs,
        lastEndMs: clock.nowMs(),
        lastError: error instanceof Error ? error.message : String(error),
      };
      log.error('an automatic snapshot failed', { name, error });
    }
    running.startMs = 0;
    running.url = '';
    if (this.#running.get(name) !== running) return;
    this.#plan(name, running, dueMs(running) - clock.nowMs());
    await this.#note(name, running.result);
  }

  async #take(running: Running): Promise<void> {
    const { clock, openStore, save, verify } = this.#deps;
    const { schedule } = running;
    const store = await openStore(schedule);
    try {
      const own = await ownSnapshots(store, schedule.filePrefix);
      const { target } = schedule;
      const used = own.reduce((sum, { size }) => sum + size, 0);
      if (target.kind === 'local' && target.bytesMax > 0 && used >= target.bytesMax)
        throw new Error(`the snapshots that are kept take up ${String(used)} bytes: local_max_space is reached`);
      // Nanoseconds, as Vault names them; sorted by name they are sorted by age.
      const name = `${schedule.filePrefix}-${String(clock.nowMs())}000000.snap`;
      running.url = store.url(name);
      await store.put(name, await save());
      try {
        await verify(await store.read(name));
      } catch (error) {
        await store.remove(name);
        throw error;
      }
      // Only now: the older ones stay until there is a newer one that can be read.
      const kept = await ownSnapshots(store, schedule.filePrefix);
      for (const old of kept.slice(0, -schedule.retain)) await store.remove(old.name);
    } finally {
      store.close();
    }
  }

  async #note(name: string, result: ScheduleResult): Promise<void> {
    try {
      await this.#storage?.transact((view) => {
        view.putJson(SCHEDULE_RESULTS + name, result);
      });
    } catch (error) {
      this.#deps.log.warn('what became of a snapshot could not be noted', { name, error });
    }
  }
}

/** When it is due next, in milliseconds since 1970. */
function dueMs({ schedule, result }: Running): number {
  const intervalMs = schedule.intervalSeconds * 1000;
  return result.lastStartMs + (result.consecutiveErrors > 0 ? Math.min(intervalMs, RETRY_MS) : intervalMs);
}

/** Those that this schedule has made, the oldest first. */
async function ownSnapshots(
  store: SnapshotStore,
  filePrefix: string,
): Promise<readonly { readonly name: string; readonly size: number }[]> {
  const own = (name: string): boolean =>
    name.startsWith(`${filePrefix}-`) && /^\d{19}\.snap$/.test(name.slice(filePrefix.length + 1));
  return (await store.list()).filter(({ name }) => own(name)).sort((a, b) => (a.name < b.name ? -1 : 1));
}
