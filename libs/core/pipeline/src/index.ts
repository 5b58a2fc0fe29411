export * from './classify-error.ts';
export * from './forward-failure.ts';
export * from './node-status.ts';
export * from './outcome.ts';
export * from './pipeline.ts';
export * from './render.ts';
export * from './state-tokens.ts';
