import { definePath } from '@coffer/sdk';
import type { PathDeclaration, Response } from '@coffer/sdk';

/** How this very node's raft storage is: sizes in bytes, times in milliseconds. */
export interface RaftStatusReport {
  readonly nodeId: string;
  /** `ok`, `stuck`, `full`, `failed` or `damaged`. */
  readonly disk: string;
  /** What is wrong with it, or empty. */
  readonly diskError: string;
  /** Of all files of the storage folder. */
  readonly diskBytes: number;
  /** Left on its file system. */
  readonly diskFreeBytes: number;
  readonly stateBytes: number;
  readonly logEntries: number;
  readonly logBytes: number;
  readonly logFirstIndex: number;
  readonly logLastIndex: number;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly term: number;
  /** Of the last synced write, and the longest since the start. */
  readonly lastWriteMs: number;
  readonly writeMsMax: number;
}

export interface RaftStatusOperations {
  storageStatus(): RaftStatusReport;
}

/** `sys/storage/raft/status`: what Vault tells in its log and metrics alone. */
export function raftStatusPaths(raft: RaftStatusOperations): readonly PathDeclaration<unknown>[] {
  return [
    definePath('storage/raft/status', {
      fields: {},
      help: { synopsis: "The condition and the sizes of this node's raft storage." },
      read: {
        summary: 'Condition and sizes',
        runs: 'local',
        handler: (): Response => {
          const status = raft.storageStatus();
          return {
            data: {
              node_id: status.nodeId,
              disk: status.disk,
              disk_error: status.diskError,
              disk_bytes: status.diskBytes,
              disk_free_bytes: status.diskFreeBytes,
              state_bytes: status.stateBytes,
              log_entries: status.logEntries,
              log_bytes: status.logBytes,
              log_first_index: status.logFirstIndex,
              log_last_index: status.logLastIndex,
              commit_index: status.commitIndex,
              applied_index: status.appliedIndex,
              term: status.term,
              last_write_ms: status.lastWriteMs,
              longest_write_ms: status.writeMsMax,
            },
          };
        },
      },
    }),
  ];
}
