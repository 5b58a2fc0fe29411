export * from './checker.ts';
export * from './model.ts';
export * from './register-model.ts';
export * from './sub-keys-model.ts';
