import { StorageError } from '@coffer/storage';

export const notActive = (): StorageError => new StorageError('not-active', 'this node is not the active one');

export const noLeader = (): StorageError =>
  new StorageError('no-leader', 'this node takes no part in the cluster (sealed)');
