export * from './token-auth.ts';
export * from './token-service.ts';
export type { CleanUp } from './revocations.ts';
export type { TidyResult } from './tidy.ts';
