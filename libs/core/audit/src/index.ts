export * from './audit-records.ts';
export * from './audit-service.ts';
export * from './audit.path.ts';
export * from './hasher.ts';
