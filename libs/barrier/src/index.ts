export * from './barrier.ts';
