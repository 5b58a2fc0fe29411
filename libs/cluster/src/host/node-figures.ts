import type { StorageError } from '@coffer/storage';
import type { RaftHealth, RaftNodeStatus } from '../cluster.ts';
import type { LevelDisk } from '../disk/level-disk.ts';
import type { ClockWatch } from './clock-watch.ts';
import type { DiskSizes } from './disk-sizes.ts';
import type { PendingWrites } from './pending-writes.ts';
import type { RaftSession } from './raft-session.ts';

/** Counts since the start of the process; the driver adds to them. */
export interface CommitFigures {
  groups: number;
  entries: number;
  msTotal: number;
  msMax: number;
  msLast: number;
  snapshotsInstalled: number;
}

/** What operators see of a node; see `RaftNode.status`. */
export function nodeStatus(parts: {
  readonly disk: LevelDisk | undefined;
  readonly sizes: DiskSizes;
  readonly session: RaftSession | undefined;
  readonly figures: CommitFigures;
  readonly writes: PendingWrites;
}): RaftNodeStatus {
  const { disk, sizes, session, figures, writes } = parts;
  return {
    ...(session === undefined ? {} : { raft: session.raft.status() }),
    appliedIndex: disk?.applied ?? 0,
    logFirstIndex: disk?.log.firstIndex() ?? 0,
    logLastIndex: disk?.log.lastIndex() ?? 0,
    logBytes: disk?.log.bytes ?? 0,
    ...sizes,
    commitGroups: figures.groups,
    commitEntries: figures.entries,
    commitMsTotal: figures.msTotal,
    commitMsMax: figures.msMax,
    commitMsLast: figures.msLast,
    snapshotsSent: session?.snapshots.sent ?? 0,
    snapshotsInstalled: figures.snapshotsInstalled,
    queuedWrites: writes.queued,
    pendingWrites: writes.waiting,
  };
}

/** See `RaftNode.health`. */
export function nodeHealth(parts: {
  readonly session: RaftSession | undefined;
  readonly failure: StorageError | undefined;
  readonly removed: boolean;
  readonly clocks: Pick<ClockWatch, 'skewMs' | 'wrong'>;
}): RaftHealth {
  const { session, failure, removed, clocks } = parts;
  return {
    disk: failure !== undefined ? conditionOf(failure) : session?.stuck === true ? 'stuck' : 'ok',
    ...(failure === undefined ? {} : { diskError: failure.message }),
    diskWriteMs: session?.driver.writeMs() ?? 0,
    running: session !== undefined,
    leaderKnown: session !== undefined && session.driver.standing.leader !== 0,
    leaderlessMs: session?.leaderlessMs() ?? 0,
    removed,
    clockSkewMs: session === undefined ? 0 : clocks.skewMs,
    clockWrong: session !== undefined && clocks.wrong,
  };
}

function conditionOf({ code, message }: StorageError): RaftHealth['disk'] {
  if (code === 'corrupt') return 'damaged';
  // As the C library words ENOSPC and EDQUOT, which LevelDB passes on.
  return /No space left|quota exceeded|ENOSPC|EDQUOT/i.test(message) ? 'full' : 'failed';
}
