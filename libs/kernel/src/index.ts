export * from './assert.ts';
export * from './bounded-cache.ts';
export * from './clock.ts';
export * from './log.ts';
export * from './maybe-promise.ts';
export * from './random.ts';
export * from './secret.ts';
export * from './startable.ts';
