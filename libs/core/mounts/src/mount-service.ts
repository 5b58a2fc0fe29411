import { Turns, assert } from '@coffer/kernel';
import type { Clock, Log, Random, Startable } from '@coffer/kernel';
import { RequestError, badRequest } from '@coffer/sdk';
import type { EngineType, NamespaceRef, SystemView } from '@coffer/sdk';
import type { LiveMount, MountEntry, MountRequest, MountTuning, Mounts, MoveEnd, PluginSource } from '@coffer/core-api';
import type { Barrier } from '@coffer/barrier';
import type { AppliedBatch, Transaction, Transactor } from '@coffer/storage';
import type { MountRouter } from '@coffer/core-router';
import { mountContext } from './mount-context.ts';
import { deleteBelow } from './delete-below.ts';
import { MOUNT_RECORDS, MOVE_RECORDS, NO_TUNING, mountRecordKey, prefixOf, storagePrefixOf } from './mount-record.ts';
import { checkTuning, cleanMountPath, refuseOverlap, refuseProtected } from './mount-rules.ts';
import { encodeJson, parseFrozen } from '@coffer/core-api';
import type { OffLoop } from './off-loop-pool.ts';
import { MountRollback } from './rollback.ts';

/** A mount that exists by itself in every namespace. */
export interface BuiltInMount {
  readonly table: 'secret' | 'auth';
  readonly path: string;
  readonly type: string;
  readonly description: string;
  readonly engine: EngineType;
  /** Seals what it stores twice, as Vault shows it. */
  readonly sealWrap?: boolean;
}

export interface MountServiceDeps {
  readonly barrier: Barrier;
  readonly transactor: Transactor;
  readonly plugins: PluginSource;
  readonly router: MountRouter;
  readonly builtIn: readonly BuiltInMount[];
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly offLoop: OffLoop;
  readonly systemTtl: { readonly defaultSeconds: number; readonly maxSeconds: number };
  readonly systemViewOf: (entry: () => MountEntry) => SystemView;
  /** Revokes all leases of a mount; before its storage is deleted. */
  readonly revokeLeases: (namespace: NamespaceRef, prefix: string) => Promise<void>;
  readonly isActive: () => boolean;
}

interface MoveRecord {
  readonly id: string;
  readonly sourceMount: string;
  readonly targetMount: string;
  readonly status: 'in-progress' | 'success' | 'failure';
}

/** A mount and what ends it. */
interface Running {
  readonly live: LiveMount;
  /** Why it could not be made. */
  readonly broken?: string;
  readonly abort: AbortController;
}

/**
 * The mount tables, and the instances that serve them. Every node has an instance of every mount, made from what is
 * stored and told of every applied change; only the active node changes tables.
 */
export class MountService implements Mounts, Startable {
  readonly name = 'mounts';
  readonly needs: readonly string[] = [];
  readonly #deps: MountServiceDeps;
  /** By uuid. */
  readonly #running = new Map<string, Running>();
  readonly #entries = new Map<string, MountEntry>();
  readonly #rollback: MountRollback;
  /** One change of the tables at a time on this node. */
  readonly #turns = new Turns();
  #unsubscribe: (() => void) | undefined;

  constructor(deps: MountServiceDeps) {
    this.#deps = deps;
    this.#rollback = new MountRollback(deps, () => [...this.#running.values()].map(({ live }) => live));
  }

  async start(): Promise<void> {
    const { barrier } = this.#deps;
    this.#unsubscribe = barrier.subscribe((batch) => this.#applied(batch));
    await this.#loadAll();
  }

  /** On becoming active: the mounts that are there by themselves, then the slow starts of the others. */
  async activate(): Promise<void> {
    await this.#createBuiltIn();
    this.#rollback.start();
    for (const { live } of this.#running.values()) await this.#startEngine(live);
  }

  deactivate(): void {
    this.#rollback.stop();
  }

  async stop(): Promise<void> {
    this.#rollback.stop();
    this.#unsubscribe?.();
    for (const uuid of [...this.#running.keys()]) await this.#end(uuid);
    this.#entries.clear();
  }

  list(table: 'secret' | 'auth', namespace: NamespaceRef): readonly MountEntry[] {
    return [...this.#entries.values()]
      .filter((entry) => entry.table === table && entry.namespace.id === namespace.id)
      .sort((a, b) => (a.path < b.path ? -1 : 1));
  }

  enable(request: MountRequest): Promise<MountEntry> {
    return this.#turns.take(() => this.#enable(request));
  }

  async #enable(request: MountRequest): Promise<MountEntry> {
    const { table, namespace } = request;
    const path = cleanMountPath(request.path);
    refuseProtected(table, path, 'mount');
    if (request.type === '') throw badRequest('backend type must be specified as a string');
    const plugin = this.#deps.plugins.engine(table, request.type);
    if (!plugin || plugin.info.singleton) throw badRequest(`plugin not found in the catalog: ${request.type}`);
    const tuning: MountTuning = { ...NO_TUNING, ...request.tuning };
    checkTuning(tuning, this.#deps.systemTtl.maxSeconds, true);
    refuseOverlap(this.list(table, namespace), path);
    const implied = plugin.info.impliedOptions?.[request.type];
    const typeName = plugin.info.names[0] ?? request.type;
    const entry = this.#newEntry(table, namespace, path, typeName, {
      description: request.description ?? '',
      options: { ...request.options, ...implied },
      local: request.local ?? false,
      sealWrap: request.sealWrap ?? false,
      externalEntropyAccess: request.externalEntropyAccess ?? false,
      pluginVersion: request.pluginVersion ?? '',
      tuning,
    });
    await this.#store(entry);
    const live = await this.#bring(entry);
    await this.#startEngine(live);
    return entry;
  }

  disable(table: 'secret' | 'auth', namespace: NamespaceRef, path: string): Promise<void> {
    return this.#turns.take(async () => {
      const clean = cleanMountPath(path);
      refuseProtected(table, clean, table === 'auth' ? 'disable' : 'unmount');
      const entry = this.list(table, namespace).find((candidate) => candidate.path === clean);
      if (!entry) return;
      await this.#store({ ...entry, tainted: true });
      await this.#deps.revokeLeases(namespace, prefixOf(entry));
      const running = this.#running.get(entry.uuid);
      if (running) await running.live.type.cleanUp?.(running.live.engine);
      await this.#end(entry.uuid);
      await deleteBelow(this.#deps.transactor, storagePrefixOf(entry));
      await this.#deps.transactor.run((transaction) => {
        transaction.delete(mountRecordKey(entry.uuid));
      });
      this.#entries.delete(entry.uuid);
    });
  }

  tune(
    entry: MountEntry,
    tuning: Partial<MountTuning>,
    more: { readonly description?: string; readonly options?: Readonly<Record<string, string>> },
  ): Promise<MountEntry> {
    return this.#turns.take(async () => {
      const current = this.#entries.get(entry.uuid) ?? entry;
      const merged: MountTuning = { ...current.tuning, ...tuning };
      checkTuning(merged, this.#deps.systemTtl.maxSeconds, false);
      const next: MountEntry = {
        ...current,
        tuning: merged,
        description: more.description ?? current.description,
        options: more.options ? { ...current.options, ...more.options } : current.options,
      };
      const typeBefore = this.#running.get(entry.uuid)?.live.type;
      await this.#store(next);
      const live = await this.#bring(next);
      // Other options can make it another engine (a KV store of the other version), which brings the data over.
      if (live.type !== typeBefore) await this.#startEngine(live);
      return next;
    });
  }

  async move(from: MoveEnd, to: MoveEnd): Promise<string> {
    const source = this.list(from.table, from.namespace).find((entry) => entry.path === cleanMountPath(from.path));
    const target = cleanMountPath(to.path);
    refuseProtected(from.table, cleanMountPath(from.path), 'remount');
    refuseProtected(to.table, target, 'remount to');
    if (!source)
      throw badRequest(`no matching mount at "${prefixOf({ table: from.table, path: cleanMountPath(from.path) })}"`);
    if (from.table !== to.table) throw badRequest('cannot move between secrets engines and auth methods');
    refuseOverlap(
      this.list(to.table, to.namespace).filter((entry) => entry.uuid !== source.uuid || entry.path === target),
      target,
    );
    const id = this.#deps.random.uuid();
    const record: MoveRecord = {
      id,
      sourceMount: prefixOf(source),
      targetMount: prefixOf({ table: to.table, path: target }),
      status: 'in-progress',
    };
    await this.#storeMove(record);
    const moved = this.#turns.take(() => this.#move(source, to.namespace, target));
    moved
      .then(
        () => this.#storeMove({ ...record, status: 'success' }),
        (error: unknown) => {
          this.#deps.log.error('moving a mount failed', { id, error });
          return this.#storeMove({ ...record, status: 'failure' });
        },
      )
      .catch((error: unknown) => this.#deps.log.error('the outcome of a move could not be stored', { id, error }));
    return id;
  }

  async #move(source: MountEntry, namespace: NamespaceRef, path: string): Promise<void> {
    await this.#store({ ...source, tainted: true });
    try {
      await this.#deps.revokeLeases(source.namespace, prefixOf(source));
    } catch (error) {
      // It stays where it was, and serves there, after a restart too.
      await this.#store(source);
      throw error;
    }
    const moved: MountEntry = { ...source, namespace, path, tainted: false };
    await this.#store(moved);
    await this.#bring(moved);
  }

  async moveStatus(id: string): Promise<MoveRecord | undefined> {
    if (!/^[0-9a-f-]{36}$/.test(id)) return undefined;
    return (await this.#deps.barrier.getParsed(MOVE_RECORDS + id, parseFrozen)) as MoveRecord | undefined;
  }

  async #storeMove(record: MoveRecord): Promise<void> {
    await this.#deps.transactor.run((transaction) => {
      putJson(transaction, MOVE_RECORDS + record.id, record);
    });
  }

  #newEntry(
    table: 'secret' | 'auth',
    namespace: NamespaceRef,
    path: string,
    type: string,
    rest: Omit<MountEntry, 'table' | 'namespace' | 'path' | 'type' | 'uuid' | 'accessor' | 'tainted'>,
  ): MountEntry {
    const { random } = this.#deps;
    const suffix = Buffer.from(random.bytes(4)).toString('hex');
    const accessor = `${table === 'auth' ? 'auth_' : ''}${type}_${suffix}`;
    return Object.freeze({ table, namespace, path, type, uuid: random.uuid(), accessor, tainted: false, ...rest });
  }

  async #createBuiltIn(): Promise<void> {
    for (const builtIn of this.#deps.builtIn) {
      const namespace: NamespaceRef = { id: 'root', path: '' };
      if (this.list(builtIn.table, namespace).some((entry) => entry.path === builtIn.path)) continue;
      const entry = this.#newEntry(builtIn.table, namespace, builtIn.path, builtIn.type, {
        description: builtIn.description,
        options: {},
        local: builtIn.type === 'cubbyhole',
        sealWrap: builtIn.sealWrap ?? false,
        externalEntropyAccess: false,
        pluginVersion: '',
        tuning: NO_TUNING,
      });
      await this.#store(entry);
      await this.#bring(entry);
    }
  }

  async #store(entry: MountEntry): Promise<void> {
    await this.#deps.transactor.run((transaction) => {
      putJson(transaction, mountRecordKey(entry.uuid), entry);
    });
  }

  async #loadAll(): Promise<void> {
    const { barrier } = this.#deps;
    const uuids = new Set(await barrier.list(MOUNT_RECORDS));
    for (const uuid of [...this.#running.keys()]) if (!uuids.has(uuid)) await this.#end(uuid);
    for (const uuid of uuids) await this.#reload(uuid);
  }

  async #reload(uuid: string): Promise<void> {
    const entry = (await this.#deps.barrier.getParsed(mountRecordKey(uuid), parseFrozen)) as MountEntry | undefined;
    if (entry) await this.#bring(entry);
    else {
      await this.#end(uuid);
      this.#entries.delete(uuid);
    }
  }

  /** Makes a stored entry serve, or changes the one that serves. */
  async #bring(entry: MountEntry): Promise<LiveMount> {
    const { router, log } = this.#deps;
    this.#entries.set(entry.uuid, entry);
    const type = this.#typeOf(entry);
    const before = this.#running.get(entry.uuid);
    if (before && before.live.type !== type && type) await this.#end(entry.uuid);
    else if (before) {
      // What a move or removal marked serves again once the mark is gone; what could not be made stays so.
      const { unavailable: _, ...rest } = before.live;
      void _;
      const live: LiveMount = {
        ...rest,
        entry,
        prefix: prefixOf(entry),
        ...(before.broken === undefined ? {} : { unavailable: before.broken }),
        ...taint(entry),
      };
      router.remove(before.live);
      router.add(live);
      this.#running.set(entry.uuid, { ...before, live });
      return live;
    }
    const abort = new AbortController();
    const current = (): MountEntry => this.#entries.get(entry.uuid) ?? entry;
    const context = mountContext({
      ...this.#deps,
      entry: current,
      signal: abort.signal,
      log: log.named(entry.accessor),
      system: this.#deps.systemViewOf(current),
    });
    const common = { entry, context, prefix: prefixOf(entry), storagePrefix: storagePrefixOf(entry), ...taint(entry) };
    let live: LiveMount;
    let broken: string | undefined;
    try {
      if (!type) throw new Error(`no plugin of type ${entry.type}`);
      live = { ...common, type, engine: await type.create(context) };
    } catch (error) {
      log.error('a mount does not serve', { path: common.prefix, error });
      broken = `the mount at ${common.prefix} could not be started`;
      live = { ...common, type: type ?? MISSING_TYPE, engine: undefined, unavailable: broken };
    }
    this.#running.set(entry.uuid, { live, abort, ...(broken === undefined ? {} : { broken }) });
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

  async #startEngine(live: LiveMount): Promise<void> {
    if (!live.type.start || live.unavailable !== undefined) return;
    try {
      await live.type.start(live.engine);
    } catch (error) {
      this.#deps.log.error('a mount failed to start', { path: live.prefix, error });
    }
  }

  async #end(uuid: string): Promise<void> {
    const running = this.#running.get(uuid);
    if (!running) return;
    this.#running.delete(uuid);
    this.#deps.router.remove(running.live);
    running.abort.abort(new Error('the mount has ended'));
    await running.live.type.stop?.(running.live.engine);
  }

  /** Every node: follows the tables, and tells instances what changed in their part of the store. */
  #applied(batch: AppliedBatch): void {
    if (batch.everything) {
      for (const { live } of this.#running.values()) live.type.invalidateAll?.(live.engine);
      this.#follow(() => this.#loadAll());
      return;
    }
    for (const key of batch.keys) {
      if (key.startsWith(MOUNT_RECORDS)) {
        if (!this.#deps.isActive()) this.#follow(() => this.#reload(key.slice(MOUNT_RECORDS.length)));
      } else this.#invalidate(key);
    }
  }

  #follow(change: () => Promise<void>): void {
    this.#turns
      .take(change)
      .catch((error: unknown) => this.#deps.log.error('following a change of the mounts failed', { error }));
  }

  #invalidate(key: string): void {
    const [table, uuid = ''] = key.split('/', 2);
    if (table !== 'logical' && table !== 'auth') return;
    const live = this.#running.get(uuid)?.live;
    if (live?.engine !== undefined) live.type.invalidate?.(live.engine, key.slice(live.storagePrefix.length));
  }
}

function taint(entry: MountEntry): { readonly unavailable?: string } {
  return entry.tainted ? { unavailable: `the mount at ${prefixOf(entry)} is being moved or removed` } : {};
}

const MISSING_TYPE: EngineType = {
  help: { synopsis: 'A type that this program does not have.', description: 'Its data is kept.' },
  paths: [],
  create: () => {
    throw new RequestError('internal');
  },
};

function putJson(transaction: Transaction, key: string, value: unknown): void {
  assert(key.length > 0, 'a record has a key');
  transaction.put(key, encodeJson(value));
}
