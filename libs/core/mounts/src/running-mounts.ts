import { RequestError } from '@coffer/sdk';
import type { EngineType, SystemView } from '@coffer/sdk';
import type { Clock, Log, Random } from '@coffer/kernel';
import type { Barrier } from '@coffer/barrier';
import type { LiveMount, MountEntry, PluginSource, TuningChange } from '@coffer/core-api';
import type { MountRouter } from '@coffer/core-router';
import type { Transactor } from '@coffer/storage';
import { mountContext } from './mount-context.ts';
import { prefixOf, storagePrefixOf } from './mount-record.ts';
import type { OffLoop } from './off-loop-pool.ts';

/** A mount that exists by itself in every namespace. */
export interface BuiltInMount {
  readonly table: 'secret' | 'auth';
  readonly path: string;
  readonly type: string;
  readonly description: string;
  readonly engine: EngineType;
  /** Seals what it stores twice, as Vault shows it. */
  readonly sealWrap?: boolean;
  /** Where it differs from what mounts begin with. */
  readonly tuning?: TuningChange;
}

export interface RunningMountsDeps {
  readonly barrier: Barrier;
  readonly transactor: Transactor;
  readonly plugins: PluginSource;
  readonly router: MountRouter;
  readonly builtIn: readonly BuiltInMount[];
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly offLoop: OffLoop;
  readonly systemViewOf: (entry: () => MountEntry) => SystemView;
}

/** A mount and what ends it. */
interface Running {
  readonly live: LiveMount;
  readonly abort: AbortController;
}

/** The instances of this node's mounts: made from their entries, found by the router, told of changes, ended. */
export class RunningMounts {
  readonly #deps: RunningMountsDeps;
  /** By uuid. */
  readonly #running = new Map<string, Running>();
  readonly #entries = new Map<string, MountEntry>();

  constructor(deps: RunningMountsDeps) {
    this.#deps = deps;
  }

  all(): readonly LiveMount[] {
    return [...this.#running.values()].map(({ live }) => live);
  }

  uuids(): readonly string[] {
    return [...this.#running.keys()];
  }

  get(uuid: string): LiveMount | undefined {
    return this.#running.get(uuid)?.live;
  }

  /** The newest entries, in no order. */
  entries(): readonly MountEntry[] {
    return [...this.#entries.values()];
  }

  entry(uuid: string): MountEntry | undefined {
    return this.#entries.get(uuid);
  }

  /** Makes a stored entry serve, or changes the one that serves. */
  async bring(entry: MountEntry): Promise<LiveMount> {
    this.#entries.set(entry.uuid, entry);
    const type = this.#typeOf(entry);
    const before = this.#running.get(entry.uuid);
    if (!before) return this.#make(entry, type);
    if (before.live.type !== type && type) {
      await this.end(entry.uuid);
      return this.#make(entry, type);
    }
    // What could not be made stays so.
    const live: LiveMount = { ...before.live, entry, prefix: prefixOf(entry) };
    this.#replace(before, live);
    return live;
  }

  async #make(entry: MountEntry, type: EngineType | undefined): Promise<LiveMount> {
    const { router, log } = this.#deps;
    const abort = new AbortController();
    const current = (): MountEntry => this.#entries.get(entry.uuid) ?? entry;
    const context = mountContext({
      ...this.#deps,
      entry: current,
      signal: abort.signal,
      log: log.named(entry.accessor),
      system: this.#deps.systemViewOf(current),
    });
    const common = { entry, context, prefix: prefixOf(entry), storagePrefix: storagePrefixOf(entry) };
    let live: LiveMount;
    try {
      if (!type) throw new Error(`no plugin of type ${entry.type}`);
      live = { ...common, type, engine: await type.create(context) };
    } catch (error) {
      log.error('a mount does not serve', { path: common.prefix, error });
      const unavailable = `the mount at ${common.prefix} could not be started`;
      live = { ...common, type: type ?? MISSING_TYPE, engine: undefined, unavailable };
    }
    this.#running.set(entry.uuid, { live, abort });
    router.add(live);
    return live;
  }

  #typeOf(entry: MountEntry): EngineType | undefined {
    const builtIn = this.#deps.builtIn.find(
      (candidate) => candidate.table === entry.table && candidate.type === entry.type,
    );
    const type = builtIn?.engine ?? this.#deps.plugins.engine(entry.table, entry.type)?.type;
    return type?.forOptions?.(entry.options) ?? type;
  }

  /**
   * The slow start, on the active node; one after the other for a mount. Requests of this mount wait meanwhile, those of
   * others do not. A mount that fails in it goes on with what it has. Never rejects.
   */
  startEngine(live: LiveMount): Promise<void> {
    const { uuid } = live.entry;
    if (!live.type.start || live.unavailable !== undefined) return Promise.resolve();
    const starting = this.#start(live, this.#running.get(uuid)?.live.starting).then(() => {
      const running = this.#running.get(uuid);
      if (running?.live.starting !== starting) return;
      const { starting: _, ...started } = running.live;
      void _;
      this.#replace(running, started);
    });
    const running = this.#running.get(uuid);
    if (running) this.#replace(running, { ...running.live, starting });
    return starting;
  }

  async #start(live: LiveMount, before: Promise<void> | undefined): Promise<void> {
    await before;
    try {
      await live.type.start?.(live.engine);
    } catch (error) {
      this.#deps.log.error('a mount failed to start', { path: live.prefix, error });
    }
  }

  #replace(running: Running, live: LiveMount): void {
    this.#deps.router.remove(running.live);
    this.#deps.router.add(live);
    this.#running.set(live.entry.uuid, { ...running, live });
  }

  /** The instance stops; its entry is kept. */
  async end(uuid: string): Promise<void> {
    const running = this.#running.get(uuid);
    if (!running) return;
    this.#running.delete(uuid);
    this.#deps.router.remove(running.live);
    running.abort.abort(new Error('the mount has ended'));
    await running.live.type.stop?.(running.live.engine);
  }

  forget(uuid: string): void {
    this.#entries.delete(uuid);
  }

  /** All of them, for sealing. */
  async endAll(): Promise<void> {
    for (const uuid of this.uuids()) await this.end(uuid);
    this.#entries.clear();
  }

  invalidateAll(): void {
    for (const { live } of this.#running.values()) live.type.invalidateAll?.(live.engine);
  }

  /** A key of the store changed: tells the mount whose it is. */
  invalidate(key: string): void {
    const [table, uuid = ''] = key.split('/', 2);
    if (table !== 'logical' && table !== 'auth') return;
    const live = this.#running.get(uuid)?.live;
    if (live?.engine !== undefined) live.type.invalidate?.(live.engine, key.slice(live.storagePrefix.length));
  }
}

const MISSING_TYPE: EngineType = {
  help: { synopsis: 'A type that this program does not have.', description: 'Its data is kept.' },
  paths: [],
  create: () => {
    throw new RequestError('internal');
  },
};
