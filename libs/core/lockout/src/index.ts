export * from './locked-users.path.ts';
export * from './lockout-service.ts';
