export * from './manual-clock.ts';
export * from './test-store.ts';
export * from './ask-paths.ts';
