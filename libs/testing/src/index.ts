export * from './linearizability/index.ts';
export * from './sim/seeded-random.ts';
