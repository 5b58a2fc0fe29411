export * from './lease-service.ts';
export * from './leases.path.ts';
