export * from './userpass.engine.ts';
export * from './userpass.module.ts';
