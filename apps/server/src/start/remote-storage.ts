import { hostname } from 'node:os';
import { ForwardPort, isNodeId } from '@coffer/cluster';
import type { ForwardChannel } from '@coffer/cluster';
import type { Clock, Log, Random } from '@coffer/kernel';
import { StorageError } from '@coffer/storage';
import type { NodeAddress } from '@coffer/storage';
import {
  RemoteBackend,
  Unreachable,
  etcdLock,
  etcdStore,
  postgresqlLock,
  postgresqlStore,
} from '@coffer/storage-remote';
import type { BeforeLeading, LockStore, RemoteStore } from '@coffer/storage-remote';
import { refuseMigrating } from '../migrate/marker.ts';
import type { AuthorityTimes } from '../node/cluster-tls.ts';
import { RemoteMember } from '../node/remote-member.ts';
import { COFFER_VERSION, DATA_FORMAT } from '../node/version.ts';
import { connectionCautions } from './connection-caution.ts';
import { programGuard } from './newest-program.ts';
import type { DatabaseSettings, RemoteSettings } from './remote-settings.ts';

/** What a server is started with. */
export interface RemotePlace {
  readonly apiAddress: string;
  readonly clusterAddress: string;
  readonly clusterListenAddress: string;
  readonly authorityTimes: AuthorityTimes;
}

/** An open store in a database, not yet taking part in the election. */
export interface OpenRemote {
  readonly backend: RemoteBackend;
  readonly member: RemoteMember;
  readonly forward: ForwardChannel | undefined;
}

/** @throws StorageError where the database cannot be used */
export async function openRemote(
  { data, lock }: RemoteSettings,
  place: RemotePlace,
  clock: Clock,
  random: Random,
  log: Log,
): Promise<OpenRemote> {
  const storageLog = log.named('storage').named(data.kind);
  for (const caution of connectionCautions({ kind: 'remote', data, lock }, process.env)) storageLog.warn(caution);
  const { apiAddress, clusterAddress, authorityTimes } = place;
  const self = { nodeId: nodeIdOf(random), apiAddress, clusterAddress };
  const backend = await openRemoteBackend({ kind: 'remote', data, lock }, self, clock, random, storageLog, guard);
  try {
    await refuseMigrating(backend);
  } catch (error) {
    await backend.close();
    throw error;
  }
  const port =
    lock &&
    new ForwardPort({
      self,
      listenAddress: place.clusterListenAddress,
      clock,
      random,
      log: storageLog.named('transport'),
      leafLifeMs: authorityTimes.leafLifeMs,
    });
  const member = new RemoteMember({ backend, port, clock, random, log: storageLog, authorityTimes });
  return { backend, member, forward: port?.forward };
}

const guard = programGuard({ version: COFFER_VERSION, format: DATA_FORMAT });
/** A migration is refused newer data, too, and writes nothing but what it copies. */
const guardOfMigration: BeforeLeading = { admit: guard.admit, firstWrite: () => Promise.resolve([]) };

/** @throws StorageError where the database cannot be used, or holds what a newer program wrote */
export async function openRemoteBackend(
  { data, lock }: RemoteSettings,
  self: NodeAddress,
  clock: Clock,
  random: Random,
  log: Log,
  beforeLeading = guardOfMigration,
): Promise<RemoteBackend> {
  const store = storeOf(data, clock, log);
  const heldBy = lock && lockOf(lock, clock, log);
  const backend = new RemoteBackend({ store, lock: heldBy, self, beforeLeading, clock, random, log });
  try {
    await backend.open();
    await beforeLeading.admit(backend);
  } catch (error) {
    await backend.close();
    if (error instanceof Unreachable)
      throw new StorageError('disk', `the database cannot be reached: ${error.message}`, { cause: error });
    throw error;
  }
  return backend;
}

/** Nodes keep nothing, so they are named anew with each start: after the machine, for people. */
function nodeIdOf(random: Random): string {
  const machine = hostname()
    .replace(/[^A-Za-z0-9_-]/g, '-')
    .slice(0, 64);
  const name = `${machine}-${Buffer.from(random.bytes(4)).toString('hex')}`;
  return isNodeId(name) ? name : `node-${Buffer.from(random.bytes(4)).toString('hex')}`;
}

function storeOf(database: DatabaseSettings, clock: Clock, log: Log): RemoteStore {
  return database.kind === 'etcd'
    ? etcdStore(database.settings, clock, log)
    : postgresqlStore(database.settings, clock, log);
}

function lockOf(database: DatabaseSettings, clock: Clock, log: Log): LockStore {
  return database.kind === 'etcd'
    ? etcdLock(database.settings, clock, log)
    : postgresqlLock(database.settings, clock, log);
}
