import { StorageError } from '@coffer/storage';
import type { Backend, Epoch, HaCoordinator } from '@coffer/storage';
import { TlsTransport, createClusterTls, openRaftNode } from '@coffer/cluster';
import type { MigrateConfig, StorageConfig } from '@coffer/config';
import { systemClock, systemRandom } from '@coffer/kernel';
import type { Log } from '@coffer/kernel';
import { decodeMessage, encodeMessage } from 'raft-ts';
import { storageSettings } from '../start/load-settings.ts';
import { openRemoteBackend } from '../start/remote-storage.ts';
import type { RemoteSettings } from '../start/remote-settings.ts';
import type { StorageSettings } from '../start/settings.ts';

/** One end of a migration, open and held: no server can use it meanwhile. */
export interface MigrationEnd {
  readonly backend: Backend;
  /** Undefined where it can only be read: the folder of one node of several is not written to. */
  readonly epoch: (() => Epoch) | undefined;
  close(): Promise<void>;
}

/** To become the only one that writes, in milliseconds: longer than the lease of one that died, which a server keeps up. */
const HOLD_MS_MAX = 8000;

/**
 * Opens an end.
 *
 * @param role a source in a folder is read only; a destination in a folder is a new cluster of one node
 * @throws StorageError where it cannot be opened, or where a server uses it
 */
export async function openEnd(
  storage: StorageConfig,
  role: 'source' | 'destination',
  config: MigrateConfig,
  log: Log,
): Promise<MigrationEnd> {
  const settings = storageSettings({ storage }, {});
  if (settings.kind === 'remote') return openDatabase(settings, log);
  if (settings.kind === 'raft') return openFolder(settings, role, config, log);
  throw new StorageError('conflict', 'what is kept in memory cannot be migrated');
}

async function openDatabase(settings: RemoteSettings, log: Log): Promise<MigrationEnd> {
  const self = { nodeId: `migration-${systemRandom.base62(8)}`, apiAddress: '', clusterAddress: '' };
  const backend = await openRemoteBackend(settings, self, systemClock, systemRandom, log);
  try {
    backend.ha.start();
    if (!(await becomesActive(backend.ha)))
      throw new StorageError('conflict', `a server uses the storage "${backend.kind}": stop all servers first`);
  } catch (error) {
    await backend.close();
    throw error;
  }
  return { backend, epoch: () => epochOf(backend.ha), close: () => backend.close() };
}

function becomesActive(ha: HaCoordinator): Promise<boolean> {
  return new Promise((resolve) => {
    const done = (active: boolean): void => {
      stop();
      cancel();
      resolve(active);
    };
    const look = (): void => {
      if (ha.state().role === 'active') done(true);
    };
    const stop = ha.onChange(look);
    const cancel = systemClock.after(HOLD_MS_MAX, () => done(false));
    look();
  });
}

async function openFolder(
  storage: Extract<StorageSettings, { readonly kind: 'raft' }>,
  role: 'source' | 'destination',
  config: MigrateConfig,
  log: Log,
): Promise<MigrationEnd> {
  const clusterAddress = (config.clusterAddr ?? 'https://127.0.0.1:8201').replace(/\/$/, '');
  const apiAddress = (config.apiAddr ?? 'http://127.0.0.1:8200').replace(/\/$/, '');
  const listenAddress = '127.0.0.1:0';
  const transport = new TlsTransport({
    self: { nodeId: storage.nodeId, apiAddress, clusterAddress },
    listenAddress,
    codec: { encode: encodeMessage, decode: decodeMessage },
    clock: systemClock,
    random: systemRandom,
    log,
  });
  const raft = openRaftNode({
    config: { ...storage, apiAddress, clusterAddress, listenAddress },
    clock: systemClock,
    random: systemRandom,
    log,
    transport,
  });
  try {
    await raft.open();
    if (role === 'source') {
      if (raft.clusterId() === undefined)
        throw new StorageError('conflict', `the folder ${storage.path} holds no data to migrate`);
      return { backend: raft, epoch: undefined, close: () => raft.close() };
    }
    if (raft.clusterId() === undefined) await raft.bootstrap(systemRandom.uuid());
    else {
      // A cluster of this node alone: nobody has to be reached, and nobody can reach it by this authority.
      const signal = AbortSignal.timeout(HOLD_MS_MAX);
      await raft.connect(await createClusterTls(systemClock, systemRandom), signal);
    }
    return { backend: raft, epoch: () => epochOf(raft), close: () => raft.close() };
  } catch (error) {
    await raft.close();
    throw error;
  }
}

function epochOf(ha: Pick<HaCoordinator, 'state'>): Epoch {
  const state = ha.state();
  if (state.role === 'active') return state.epoch;
  throw new StorageError('not-active', 'the storage was taken over by another process during the migration');
}
