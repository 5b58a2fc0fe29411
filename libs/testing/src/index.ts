export * from './contracts/index.ts';
export * from './linearizability/index.ts';
export * from './sim/index.ts';
export * from './store/index.ts';
