export * from './cluster.ts';
export { RaftBackend } from './host/raft-backend.ts';
export type { RaftNodeParts } from './host/raft-backend.ts';
export * from './join/index.ts';
export * from './transport/index.ts';
