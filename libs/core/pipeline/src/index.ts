export * from './classify-error.ts';
export * from './node-status.ts';
export * from './outcome.ts';
export * from './pipeline.ts';
export * from './render.ts';
