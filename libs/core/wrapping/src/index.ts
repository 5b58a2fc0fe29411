export * from './wrapping-service.ts';
export * from './wrapping.path.ts';
