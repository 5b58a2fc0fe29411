export * from './event-queue.ts';
export * from './fault-plan.ts';
export * from './schedule-run.ts';
export * from './seeded-random.ts';
export * from './simulation.ts';
export * from './violation.ts';
