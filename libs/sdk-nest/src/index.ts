export * from './decorators.ts';
export * from './plugin-registry.module.ts';
export * from './plugin-registry.ts';
