import { Turns } from '@coffer/kernel';
import type { MaybePromise, Startable } from '@coffer/kernel';
import { RequestError, badRequest } from '@coffer/sdk';
import type { NamespaceRef } from '@coffer/sdk';
import { encodeJson, parseFrozen } from '@coffer/core-api';
import type { LiveMount, MountEntry, MountRequest, Mounts, MoveEnd, TuningChange } from '@coffer/core-api';
import { StorageError } from '@coffer/storage';
import type { AppliedBatch } from '@coffer/storage';
import { deleteBelow } from './delete-below.ts';
import { MountMoves } from './mount-moves.ts';
import type { MoveRecord } from './mount-moves.ts';
import { MOUNT_RECORDS, NO_TUNING, mountRecordKey, prefixOf, storagePrefixOf } from './mount-record.ts';
import {
  changedOptions,
  changedTuning,
  checkTuning,
  cleanMountPath,
  refuseOverlap,
  refuseProtected,
  refuseSingleton,
} from './mount-rules.ts';
import { MountRollback } from './rollback.ts';
import { RunningMounts } from './running-mounts.ts';
import type { RunningMountsDeps } from './running-mounts.ts';

export interface MountServiceDeps extends RunningMountsDeps {
  readonly systemTtl: { readonly defaultSeconds: number; readonly maxSeconds: number };
  /** Revokes all leases of a mount; before its storage is deleted. Rejects where one cannot be revoked. */
  readonly revokeLeases: (namespace: NamespaceRef, prefix: string) => Promise<void>;
  readonly isActive: () => boolean;
}

/**
 * The mount tables, and the instances that serve them. Every node has an instance of every mount, made from what is
 * stored and told of every applied change; only the active node changes tables.
 */
export class MountService implements Mounts, Startable {
  readonly name = 'mounts';
  readonly needs: readonly string[] = [];
  readonly #deps: MountServiceDeps;
  readonly #running: RunningMounts;
  readonly #moves: MountMoves;
  readonly #rollback: MountRollback;
  /** One change of the tables at a time on this node. */
  readonly #turns = new Turns();
  #unsubscribe: (() => void) | undefined;

  constructor(deps: MountServiceDeps) {
    this.#deps = deps;
    this.#running = new RunningMounts(deps);
    this.#moves = new MountMoves(deps);
    this.#rollback = new MountRollback(deps, () => this.#running.all());
  }

  async start(): Promise<void> {
    const { barrier } = this.#deps;
    this.#unsubscribe = barrier.subscribe((batch) => this.#applied(batch));
    await this.#loadAll();
  }

  /** On becoming active: the mounts that are there by themselves; the others start meanwhile, each by itself. */
  async activate(): Promise<void> {
    await this.#createBuiltIn();
    this.#rollback.start();
    for (const live of this.#running.all()) void this.#running.startEngine(live);
    // Not waited for: a change that this node is still in the middle of may wait for an engine.
    this.#turns
      .take(() => this.#settleInterruptedMoves())
      .catch((error: unknown) => this.#deps.log.error('interrupted moves could not be settled', { error }));
  }

  deactivate(): void {
    this.#rollback.stop();
  }

  async stop(): Promise<void> {
    this.#rollback.stop();
    this.#unsubscribe?.();
    await this.#running.endAll();
  }

  list(table: 'secret' | 'auth', namespace: NamespaceRef): readonly MountEntry[] {
    return this.#running
      .entries()
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
    if (plugin?.info.singleton || this.#deps.builtIn.some(({ type }) => type === request.type))
      refuseSingleton(table, request.type);
    if (!plugin) throw badRequest(`plugin not found in the catalog: ${request.type}`);
    const tuning = changedTuning(NO_TUNING, request.tuning ?? {});
    checkTuning(tuning, this.#deps.systemTtl.maxSeconds, true);
    refuseOverlap(this.list(table, namespace), path);
    const implied = plugin.info.impliedOptions?.[request.type];
    const options = { ...request.options, ...implied };
    plugin.type.checkOptions?.(options);
    const typeName = plugin.info.names[0] ?? request.type;
    const entry = this.#newEntry(table, namespace, path, typeName, {
      description: request.description ?? '',
      options,
      ...(request.options === null && !implied ? { optionsNull: true } : {}),
      local: request.local ?? false,
      sealWrap: request.sealWrap ?? false,
      externalEntropyAccess: request.externalEntropyAccess ?? false,
      pluginVersion: request.pluginVersion ?? '',
      tuning,
    });
    await this.#store(entry);
    const live = await this.#running.bring(entry);
    await this.#running.startEngine(live);
    return entry;
  }

  disable(table: 'secret' | 'auth', namespace: NamespaceRef, path: string): Promise<void> {
    return this.#turns.take(async () => {
      const clean = cleanMountPath(path);
      refuseProtected(table, clean, table === 'auth' ? 'disable' : 'unmount');
      const entry = this.list(table, namespace).find((candidate) => candidate.path === clean);
      if (entry) await this.#disable(entry);
    });
  }

  /** Each step may be repeated: what fails leaves the mount tainted, and the next attempt goes on from there. */
  async #disable(entry: MountEntry): Promise<void> {
    const live = await this.#taint(entry);
    await this.#rollback.undoAll(live);
    try {
      await this.#deps.revokeLeases(entry.namespace, live.prefix);
    } catch (error) {
      this.#deps.log.error('a mount stays tainted: its leases could not be revoked', { path: live.prefix, error });
      throw leasesLeft(live.prefix, error);
    }
    if (live.unavailable === undefined) await live.type.cleanUp?.(live.engine);
    await this.#running.end(entry.uuid);
    await deleteBelow(this.#deps.transactor, storagePrefixOf(entry));
    await this.#deps.transactor.run((transaction) => {
      transaction.delete(mountRecordKey(entry.uuid));
    });
    this.#running.forget(entry.uuid);
  }

  /** From here on it answers nobody; its leases can still be revoked. */
  async #taint(entry: MountEntry): Promise<LiveMount> {
    const tainted: MountEntry = { ...entry, tainted: true };
    await this.#store(tainted);
    return this.#running.bring(tainted);
  }

  tune(
    entry: MountEntry,
    tuning: TuningChange,
    more: { readonly description?: string; readonly options?: Readonly<Record<string, string>> },
  ): Promise<MountEntry> {
    return this.#turns.take(async () => {
      const current = this.#running.entry(entry.uuid) ?? entry;
      const merged = changedTuning(current.tuning, tuning);
      checkTuning(merged, this.#deps.systemTtl.maxSeconds, false);
      const { optionsNull, ...kept } = current;
      const next: MountEntry = {
        ...kept,
        ...(optionsNull && !more.options ? { optionsNull } : {}),
        tuning: merged,
        description: more.description ?? current.description,
        options: more.options ? changedOptions(current.options, more.options) : current.options,
      };
      const typeBefore = this.#running.get(entry.uuid)?.type;
      await this.#store(next);
      const live = await this.#running.bring(next);
      // Other options can make it another engine (a KV store of the other version), which brings the data over.
      if (live.type !== typeBefore) await this.#running.startEngine(live);
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
    refuseOverlap(this.list(to.table, to.namespace), target);
    const record: MoveRecord = {
      id: this.#deps.random.uuid(),
      sourceMount: prefixOf(source),
      targetMount: prefixOf({ table: to.table, path: target }),
      mountUuid: source.uuid,
      status: 'in-progress',
    };
    await this.#moves.put(record);
    this.#turns
      .take(() => this.#move(source, to.namespace, target))
      .then(
        () => this.#moves.end(record, 'success'),
        (error: unknown) => {
          this.#deps.log.error('moving a mount failed', { id: record.id, error });
          return this.#moves.end(record, 'failure');
        },
      )
      .catch((error: unknown) =>
        this.#deps.log.error('the outcome of a move could not be stored', { id: record.id, error }),
      );
    return record.id;
  }

  async #move(asked: MountEntry, namespace: NamespaceRef, path: string): Promise<void> {
    // Others may have had their turn since it was asked for.
    const source = this.#running.entry(asked.uuid);
    if (!source || source.tainted || source.path !== asked.path)
      throw badRequest(`no matching mount at "${prefixOf(asked)}"`);
    refuseOverlap(
      this.list(source.table, namespace).filter(({ uuid }) => uuid !== source.uuid),
      path,
    );
    const live = await this.#taint(source);
    try {
      await this.#deps.revokeLeases(source.namespace, live.prefix);
    } catch (error) {
      await this.#untaint(source);
      throw error;
    }
    const moved: MountEntry = { ...source, namespace, path };
    await this.#store(moved);
    await this.#running.bring(moved);
  }

  /** It stays where it was, and serves there, after a restart too. */
  async #untaint(entry: MountEntry): Promise<void> {
    const serving: MountEntry = { ...entry, tainted: false };
    await this.#store(serving);
    await this.#running.bring(serving);
  }

  /** The node that made a move was lost on the way: the mount serves again where it is, and may be moved again. */
  async #settleInterruptedMoves(): Promise<void> {
    for (const record of await this.#moves.inProgress()) {
      const entry = this.#running.entry(record.mountUuid);
      const arrived = entry !== undefined && prefixOf(entry) === record.targetMount;
      if (entry?.tainted && !arrived) await this.#untaint(entry);
      this.#deps.log.warn('a move was interrupted', { id: record.id, path: record.sourceMount, arrived });
      await this.#moves.end(record, arrived ? 'success' : 'failure');
    }
  }

  moveStatus(id: string): MaybePromise<MoveRecord | undefined> {
    return this.#moves.get(id);
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
        tuning: changedTuning(NO_TUNING, builtIn.tuning ?? {}),
      });
      await this.#store(entry);
      await this.#running.bring(entry);
    }
  }

  async #store(entry: MountEntry): Promise<void> {
    await this.#deps.transactor.run((transaction) => {
      transaction.put(mountRecordKey(entry.uuid), encodeJson(entry));
    });
  }

  async #loadAll(): Promise<void> {
    const { barrier } = this.#deps;
    const uuids = new Set(await barrier.list(MOUNT_RECORDS));
    for (const uuid of this.#running.uuids()) if (!uuids.has(uuid)) await this.#running.end(uuid);
    for (const uuid of uuids) await this.#reload(uuid);
  }

  async #reload(uuid: string): Promise<void> {
    const entry = (await this.#deps.barrier.getParsed(mountRecordKey(uuid), parseFrozen)) as MountEntry | undefined;
    if (entry) await this.#running.bring(entry);
    else {
      await this.#running.end(uuid);
      this.#running.forget(uuid);
    }
  }

  /** Every node: follows the tables, and tells instances what changed in their part of the store. */
  #applied(batch: AppliedBatch): void {
    if (batch.everything) {
      this.#running.invalidateAll();
      this.#follow(() => this.#loadAll());
      return;
    }
    for (const key of batch.keys) {
      if (key.startsWith(MOUNT_RECORDS)) {
        if (!this.#deps.isActive()) this.#follow(() => this.#reload(key.slice(MOUNT_RECORDS.length)));
      } else this.#running.invalidate(key);
    }
  }

  #follow(change: () => Promise<void>): void {
    this.#turns
      .take(change)
      .catch((error: unknown) => this.#deps.log.error('following a change of the mounts failed', { error }));
  }
}

/** Errors of the store pass; of an engine's failure the client is told no more than the engine means it to see. */
function leasesLeft(prefix: string, error: unknown): unknown {
  if (error instanceof StorageError) return error;
  const reason = error instanceof RequestError ? `: ${error.message}` : '';
  return new RequestError(
    'bad-request',
    `failed to revoke leases of "${prefix}"${reason}; the mount stays and is tainted: disable it again ` +
      `when they can be revoked, or drop them with sys/leases/revoke-force/${prefix}`,
    { cause: error },
  );
}
