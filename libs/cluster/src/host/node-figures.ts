import type { StorageError } from '@coffer/storage';
import type { RaftHealth, RaftNodeStatus } from '../cluster.ts';
import type { LevelDisk } from '../disk/level-disk.ts';
import type { PendingWrites } from './pending-writes.ts';
import type { CommitFigures, RaftDriver } from './raft-driver.ts';

/** What operators see of a node; see `RaftNode.status`. */
export function nodeStatus(parts: {
  readonly disk: LevelDisk | undefined;
  readonly driver: RaftDriver | undefined;
  readonly figures: CommitFigures;
  readonly writes: PendingWrites;
  readonly snapshotsSent: number;
}): RaftNodeStatus {
  const { disk, driver, figures, writes, snapshotsSent } = parts;
  return {
    ...(driver === undefined ? {} : { raft: driver.raft.status() }),
    appliedIndex: disk?.applied ?? 0,
    logFirstIndex: disk?.log.firstIndex() ?? 0,
    logLastIndex: disk?.log.lastIndex() ?? 0,
    logBytes: disk?.log.bytes ?? 0,
    commitGroups: figures.groups,
    commitEntries: figures.entries,
    commitMsTotal: figures.msTotal,
    commitMsMax: figures.msMax,
    snapshotsSent,
    snapshotsInstalled: figures.snapshotsInstalled,
    queuedWrites: writes.queued,
    pendingWrites: writes.waiting,
  };
}

/** See `RaftNode.health`. */
export function nodeHealth(parts: {
  readonly driver: RaftDriver | undefined;
  readonly failure: StorageError | undefined;
  readonly stuck: boolean;
  readonly removed: boolean;
}): RaftHealth {
  const { driver, failure, stuck, removed } = parts;
  return {
    disk: failure !== undefined ? 'failed' : stuck ? 'stuck' : 'ok',
    ...(failure === undefined ? {} : { diskError: describe(failure) }),
    diskWriteMs: driver?.writeMs() ?? 0,
    running: driver !== undefined,
    leaderKnown: driver !== undefined && driver.standing.leader !== 0,
    removed,
  };
}

function describe(error: StorageError): string {
  const { cause } = error;
  return cause instanceof Error ? `${error.message}: ${cause.message}` : error.message;
}
