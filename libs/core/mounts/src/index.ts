export * from './delete-below.ts';
export * from './mount-context.ts';
export * from './mount-record.ts';
export * from './mount-rules.ts';
export * from './mount-service.ts';
export * from './off-loop-pool.ts';
export * from './mount-moves.ts';
export * from './running-mounts.ts';
export { visitMount } from './rollback.ts';
