import { StorageError } from '@coffer/storage';
import { MembershipError } from '../membership.ts';

export const notActive = (): StorageError => new StorageError('not-active', 'this node is not the active one');

export const noLeader = (): StorageError =>
  new StorageError('no-leader', 'this node takes no part in the cluster (sealed)');

export const removedError = (): MembershipError =>
  new MembershipError('this node was removed from its cluster: wipe its storage folder to let it join again');
