export * from './kv.engine.ts';
export * from './kv.module.ts';
