export * from './run-etcd.ts';
export * from './run-pgbouncer.ts';
export * from './run-postgresql.ts';
export * from './server-program.ts';
export * from './test-authority.ts';
