export * from './leases.ts';
export * from './mount-table.ts';
export * from './plugin-source.ts';
export * from './policies.ts';
export * from './services.ts';
export * from './tokens.ts';
export * from './core-context.ts';
export * from './lockout.ts';
