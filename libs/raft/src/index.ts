export * from './message.ts';
export * from './raft.ts';
export { createRaft } from './raft-core.ts';
