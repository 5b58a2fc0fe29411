export * from './message.ts';
export * from './raft.ts';
