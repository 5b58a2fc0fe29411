export * from './token-auth.ts';
export * from './token-service.ts';
export type { CleanUp } from './revocations.ts';
export type { TidyResult } from './tidy.ts';
export type { TokenEngineDeps } from './engine/deps.ts';
export { createTokenEngine } from './engine/token-engine.ts';
