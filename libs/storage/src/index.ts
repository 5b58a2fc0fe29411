export * from './backend.ts';
export * from './ha.ts';
export * from './transaction.ts';
