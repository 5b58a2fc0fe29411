export * from './autopilot.ts';
export * from './backend.ts';
export * from './ha.ts';
export * from './inmem/inmem-backend.ts';
export * from './inmem/sorted-keys.ts';
export * from './optimistic-transactor.ts';
export * from './refuse-keys.ts';
export type { ParsingBackend } from './running-transaction.ts';
export * from './transaction.ts';
