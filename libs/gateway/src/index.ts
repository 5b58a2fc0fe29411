export * from './client-address.ts';
export * from './json-body.ts';
export * from './listener.ts';
export * from './method-rewriter.ts';
export * from './request-handler.ts';
export * from './request-path.ts';
export * from './forward-codec.ts';
