export * from './lease-keys.ts';
export * from './lease-service.ts';
export * from './leases.path.ts';
