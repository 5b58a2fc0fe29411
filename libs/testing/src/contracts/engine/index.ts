export * from './describe-engine.ts';
export * from './open-engine.ts';
