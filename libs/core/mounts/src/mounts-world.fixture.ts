import { Secret, silentLog, systemRandom } from '@coffer/kernel';
import type { CancelTimer } from '@coffer/kernel';
import type { Barrier } from '@coffer/barrier';
import { ROOT_NAMESPACE } from '@coffer/sdk';
import type { EngineType, MountContext, SystemView } from '@coffer/sdk';
import type { MountRequest, PluginSource } from '@coffer/core-api';
import { MountRouter } from '@coffer/core-router';
import { InmemBackend, OptimisticTransactor } from '@coffer/storage';
import type { ParsingBackend } from '@coffer/storage';
import { MountService } from './mount-service.ts';

class Store extends InmemBackend implements ParsingBackend {
  getParsed<T>(key: string, parse: (bytes: Uint8Array) => T): T | undefined {
    const bytes = this.get(key);
    return bytes === undefined ? undefined : parse(bytes);
  }

  derive(): Secret<Uint8Array> {
    return new Secret(new Uint8Array(32));
  }
}

/** Some turns of the loop: what follows applied changes is done. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 40; turn++) await new Promise((resolve) => setImmediate(resolve));
}

export interface Engine {
  readonly context: MountContext;
  readonly invalidated: string[];
}

/** A store, and nodes on it whose engines note what they are asked and can be told to fail. */
export function world() {
  const store = new Store();
  const transactor = new OptimisticTransactor(store, { state: () => ({ role: 'active', epoch: 1, sinceMs: 0 }) });
  const time = { nowMs: 1_700_000_000_000 };
  const rounds: (() => void)[] = [];
  const clock = {
    nowMs: () => time.nowMs,
    monotonicMs: () => time.nowMs,
    after: () => () => undefined,
    every: (_: number, run: () => void): CancelTimer => {
      rounds.push(run);
      return () => undefined;
    },
  };
  const node = (isActive: boolean) => {
    const log: string[] = [];
    const failing = new Set<string>();
    const held: { revoke?: Promise<void>; start?: Promise<void> } = {};
    const type: EngineType<Engine> = {
      help: { synopsis: 'x', description: 'x' },
      paths: [],
      create: (context) => {
        if (failing.has(context.path())) throw new Error('broken data');
        log.push(`create ${context.path()}`);
        return { context, invalidated: [] };
      },
      start: async (engine) => {
        log.push(`start ${engine.context.path()}`);
        await held.start;
        if (failing.has(`start ${engine.context.path()}`)) throw new Error('data of an older release');
      },
      stop: (engine) => void log.push(`stop ${engine.context.accessor.slice(0, 2)}`),
      cleanUp: () => {
        log.push('cleanUp');
        return Promise.resolve();
      },
      invalidate: (engine, key) => void engine.invalidated.push(key),
      periodic: (engine) => {
        if (failing.has(`periodic ${engine.context.path()}`)) return Promise.reject(new Error('no database'));
        return Promise.resolve();
      },
      intentTypes: [
        {
          kind: 'user',
          undo: (engine, data) => {
            if (failing.has(`undo ${String(data.name)}`)) throw new Error('no database');
            log.push(`rollback ${engine.context.path()} user ${JSON.stringify(data)}`);
          },
        },
      ],
    };
    const plugins = {
      engine: (_: string, name: string) =>
        name === 'kv' || name === 'kv-v2'
          ? { type, info: { kind: 'secret', names: ['kv', 'kv-v2'], impliedOptions: { 'kv-v2': { version: '2' } } } }
          : undefined,
    } as unknown as PluginSource;
    const router = new MountRouter();
    const mounts = new MountService({
      barrier: store as unknown as Barrier,
      transactor,
      plugins,
      router,
      builtIn: [{ table: 'secret', path: 'sys/', type: 'system', description: 'system', engine: type as EngineType }],
      clock,
      random: systemRandom,
      log: silentLog,
      offLoop: { run: () => Promise.reject(new Error('not here')), close: () => Promise.resolve() },
      systemTtl: { defaultSeconds: 3600, maxSeconds: 7200 },
      systemViewOf: () => ({}) as SystemView,
      revokeLeases: (_, prefix) => {
        log.push(`revoke ${prefix}`);
        if (failing.has('revoke')) return Promise.reject(new Error('postgres://root:hunter2@db is down'));
        return held.revoke ?? Promise.resolve();
      },
      isActive: () => isActive,
    });
    const at = (path: string) => router.mount(ROOT_NAMESPACE, path);
    const engineAt = (path: string): Engine => at(path)?.engine as Engine;
    return { mounts, router, log, failing, held, at, engineAt };
  };
  return { store, transactor, node, time, rounds };
}

/** Asks for a mount. */
export const kv = (path: string, more: Partial<MountRequest> = {}): MountRequest => ({
  table: 'secret',
  namespace: ROOT_NAMESPACE,
  path,
  type: 'kv',
  ...more,
});

/** One node, active. */
export async function active() {
  const all = world();
  const node = all.node(true);
  await node.mounts.start();
  await node.mounts.activate();
  return { ...all, ...node };
}
