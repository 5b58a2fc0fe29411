import { randomUUID } from 'node:crypto';
import type { Clock, Log, MaybePromise, Random } from '@coffer/kernel';
import type { Intents, MountContext, StorageView, SystemView } from '@coffer/sdk';
import type { Barrier } from '@coffer/barrier';
import type { Transactor } from '@coffer/storage';
import { MountView, ReadOnlyMountView } from '@coffer/core-api';
import { storagePrefixOf } from './mount-record.ts';
import type { OffLoop } from './off-loop-pool.ts';
import type { MountEntry } from '@coffer/core-api';

/** Relative prefix of a mount's intents; engines keep clear of it. */
export const INTENTS = 'wal/';

export interface StoredIntent {
  readonly kind: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly createdMs: number;
}

export interface MountContextDeps {
  readonly barrier: Barrier;
  readonly transactor: Transactor;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly offLoop: OffLoop;
  /** The mount's entry as it is now. */
  readonly entry: () => MountEntry;
  readonly system: SystemView;
  readonly signal: AbortSignal;
}

/** The whole world of a mount, bound to its part of the store. */
export function mountContext(deps: MountContextDeps): MountContext {
  const entry = deps.entry();
  const prefix = storagePrefixOf(entry);
  const transact = <T>(body: (view: StorageView) => MaybePromise<T>): Promise<T> =>
    Promise.resolve(deps.transactor.run((transaction) => body(new MountView(transaction, prefix))));
  const intents: Intents = {
    async record(kind, data) {
      const id = randomUUID();
      const stored: StoredIntent = { kind, data, createdMs: deps.clock.nowMs() };
      await transact((view) => {
        view.putJson(INTENTS + id, stored);
      });
      return id;
    },
    settle(view, intentId) {
      view.delete(INTENTS + intentId);
    },
  };
  return {
    accessor: entry.accessor,
    uuid: entry.uuid,
    type: entry.type,
    path: () => (entry.table === 'auth' ? `auth/${deps.entry().path}` : deps.entry().path),
    options: () => deps.entry().options,
    view: new ReadOnlyMountView(deps.barrier, prefix),
    transact,
    intents,
    clock: deps.clock,
    random: deps.random,
    log: deps.log,
    system: deps.system,
    signal: deps.signal,
    offLoop: (work, ...args) => deps.offLoop.run(work, args),
    derive: (purpose, length) => deps.barrier.derive(`mount/${entry.uuid}/${purpose}`, length).reveal(),
  };
}
