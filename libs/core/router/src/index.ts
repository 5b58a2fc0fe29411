export * from './mount-router.ts';
