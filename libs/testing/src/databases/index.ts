export * from './run-postgresql.ts';
export * from './server-program.ts';
export * from './run-etcd.ts';
