export * from './health.path.ts';
export * from './internal-ui.path.ts';
export * from './mount-data.ts';
export * from './mounts.path.ts';
export * from './node-operations.ts';
export * from './remount.path.ts';
export * from './seal.path.ts';
export * from './system-engine.ts';
