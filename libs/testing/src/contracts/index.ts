export * from './backend/describe-backend.ts';
