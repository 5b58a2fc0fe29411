export * from './cubbyhole.engine.ts';
export * from './cubbyhole.module.ts';
