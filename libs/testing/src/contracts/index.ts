export * from './backend/describe-backend.ts';
export * from './engine/index.ts';
