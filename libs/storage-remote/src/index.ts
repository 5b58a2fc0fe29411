export * from './etcd/open-etcd.ts';
export * from './remote-store.ts';
export * from './node/lock-election.ts';
export * from './node/remote-backend.ts';
export * from './postgresql/open-postgresql.ts';
