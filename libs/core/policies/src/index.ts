export * from './built-in-policies.ts';
export * from './capabilities.path.ts';
export * from './compiled-acl.ts';
export * from './parse-policy.ts';
export * from './policies.path.ts';
export * from './policy-service.ts';
