export * from './cluster.ts';
export * from './join/index.ts';
export * from './open-raft-node.ts';
export * from './transport/index.ts';
