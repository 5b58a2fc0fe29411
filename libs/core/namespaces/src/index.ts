export * from './root-namespaces.ts';
