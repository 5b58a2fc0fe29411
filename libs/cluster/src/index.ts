export * from './cluster.ts';
export type { MemberTraits } from './disk/members.ts';
export type { StateRecord } from './disk/restore.codec.ts';
export { decodeSnapshot } from './disk/snapshot.codec.ts';
export type { Echo, EchoFacts } from './host/echoes.ts';
export * from './join/index.ts';
export * from './membership.ts';
export * from './open-raft-node.ts';
export * from './transport/index.ts';
