export * from './identity-engine.ts';
export * from './identity-service.ts';
