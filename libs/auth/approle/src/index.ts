export * from './approle.engine.ts';
export * from './approle.module.ts';
