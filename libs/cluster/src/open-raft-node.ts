import type { Clock, Log, Random } from '@coffer/kernel';
import { createRaft } from 'raft-ts';
import type { ClusterConfig, RaftNode, Transport } from './cluster.ts';
import { RaftBackend } from './host/raft-backend.ts';

/** A node on the project's own raft core. Nothing is read or written before `open`. */
export function openRaftNode(parts: {
  readonly config: ClusterConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly transport: Transport;
}): RaftNode {
  return new RaftBackend({ ...parts, createRaft });
}
