import type { Clock, Log } from '@coffer/kernel';
import type { LockStore, RemoteStore } from '../remote-store.ts';
import { EtcdClient } from './etcd-client.ts';
import type { EtcdConnection } from './etcd-client.ts';
import { EtcdLock } from './etcd-lock.ts';
import { EtcdStore } from './etcd-store.ts';

export type { EtcdTls } from './etcd-client.ts';

/** `storage "etcd"`. */
export interface EtcdSettings extends EtcdConnection {
  /** What all keys begin with; ends with `/`. */
  readonly path: string;
}

/** A sign of life that takes longer than this would come too late, in milliseconds. */
const LOCK_MS_MAX = 1200;
/** The same where another address can be asked in time. */
const LOCK_MS_MAX_OF_SEVERAL = 600;

/** A store in an etcd cluster; nothing happens before `open`. */
export function etcdStore(settings: EtcdSettings, clock: Clock, log: Log): RemoteStore {
  return new EtcdStore(new EtcdClient(settings, clock, log), clock, settings.path);
}

/** A lock in an etcd cluster, with connections of its own: signs of life do not queue behind data. */
export function etcdLock(settings: EtcdSettings, clock: Clock, log: Log): LockStore {
  const lockMsMax = settings.addresses.length > 1 ? LOCK_MS_MAX_OF_SEVERAL : LOCK_MS_MAX;
  const requestMsMax = Math.min(settings.requestMsMax, lockMsMax);
  return new EtcdLock(new EtcdClient({ ...settings, requestMsMax }, clock, log), settings.path);
}
