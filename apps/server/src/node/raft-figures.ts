import type { RaftHealth, RaftNodeStatus } from '@coffer/cluster';
import { assertNever } from '@coffer/kernel';
import type { RaftStatusReport, StorageTrouble } from '@coffer/core-system';
import type { AutopilotState } from '@coffer/storage';
import type { Gauge } from './metrics.ts';

/** A standby that knows no leader for so long says that it is not healthy, in milliseconds. */
const LEADERLESS_MS_MAX = 5000;

/** What is wrong with this node's storage, for everybody: no path, no address. */
export function storageTrouble(health: RaftHealth): StorageTrouble | undefined {
  const { disk } = health;
  switch (disk) {
    case 'ok':
      if (health.clockWrong)
        return { status: 'clock', text: 'the clock of this node differs from those of the others' };
      return health.running && health.leaderlessMs > LEADERLESS_MS_MAX
        ? { status: 'no-leader', text: 'no active node is known: the others are down, sealed or out of reach' }
        : undefined;
    case 'stuck':
      return { status: disk, text: 'a write to the disk does not come to an end' };
    case 'full':
      return { status: disk, text: 'the disk is full: the node comes back by itself when there is room' };
    case 'failed':
      return { status: disk, text: 'the disk fails: the node comes back by itself when the disk works' };
    case 'damaged':
      return { status: disk, text: 'the disk is damaged: start the node with an empty storage folder' };
    default:
      return assertNever(disk, 'condition of the disk');
  }
}

/** As `sys/storage/raft/status` shows it. */
export function statusReport(nodeId: string, status: RaftNodeStatus, health: RaftHealth): RaftStatusReport {
  return {
    nodeId,
    disk: health.disk,
    diskError: health.diskError ?? '',
    diskBytes: status.diskBytes,
    diskFreeBytes: status.diskFreeBytes,
    stateBytes: status.stateBytes,
    logEntries: status.logLastIndex - status.logFirstIndex + 1,
    logBytes: status.logBytes,
    logFirstIndex: status.logFirstIndex,
    logLastIndex: status.logLastIndex,
    commitIndex: status.raft?.commit ?? 0,
    appliedIndex: status.appliedIndex,
    term: status.raft?.term ?? 0,
    lastWriteMs: status.commitMsLast,
    writeMsMax: status.commitMsMax,
  };
}

/** What raft measures, under `vault.raft_storage` as far as Vault has a name for it. */
export function raftGauges(status: RaftNodeStatus, health: RaftHealth): readonly Gauge[] {
  const gauge = (name: string, help: string, value: number): Gauge => ({
    name: `vault.raft_storage.${name}`,
    help,
    value,
  });
  const { commitGroups, commitMsTotal } = status;
  return [
    gauge('stats.applied_index', 'The last applied index.', status.appliedIndex),
    gauge('stats.commit_index', 'The last index known to be committed.', status.raft?.commit ?? 0),
    gauge('log.entries', 'Entries in the log.', status.logLastIndex - status.logFirstIndex + 1),
    gauge('log.bytes', 'Length of the log, in bytes.', status.logBytes),
    gauge('state.bytes', 'Size of the state on disk, in bytes.', status.stateBytes),
    gauge('disk.bytes', 'Size of the storage folder, in bytes.', status.diskBytes),
    gauge('disk.free_bytes', 'Room left on its file system, in bytes.', status.diskFreeBytes),
    gauge('disk.ok', '1 while the disk works.', Number(health.disk === 'ok')),
    gauge('fsync.count', 'Synced writes since the start.', commitGroups),
    gauge(
      'fsync.mean_ms',
      'Mean time of a synced write, in milliseconds.',
      commitGroups && commitMsTotal / commitGroups,
    ),
    gauge('fsync.last_ms', 'Time of the last synced write, in milliseconds.', status.commitMsLast),
    gauge('fsync.max_ms', 'Longest time of a synced write, in milliseconds.', status.commitMsMax),
    gauge('fsync.running_ms', 'For how long a write is under way, in milliseconds.', health.diskWriteMs),
    gauge('clock.skew_ms', 'How far this clock is ahead of the others, in milliseconds.', health.clockSkewMs),
    gauge('writes.queued', 'Writes that wait for their turn.', status.queuedWrites),
    gauge('writes.pending', 'Writes that are being committed.', status.pendingWrites),
    gauge('snapshots.sent', 'Snapshots sent to followers since the start.', status.snapshotsSent),
    gauge('snapshots.installed', 'Snapshots taken in since the start.', status.snapshotsInstalled),
  ];
}

/** What autopilot finds, on the active node, under Vault's names; elsewhere nothing. */
export function autopilotGauges(state: AutopilotState | undefined): readonly Gauge[] {
  if (state === undefined) return [];
  const gauge = (name: string, help: string, value: number): Gauge => ({
    name: `vault.autopilot.${name}`,
    help,
    value,
  });
  const { redundancy } = state;
  return [
    gauge('healthy', '1 while all members are healthy.', Number(state.healthy)),
    gauge('failure_tolerance', 'Healthy voters that can be lost at once.', state.failureTolerance),
    ...(redundancy === undefined
      ? []
      : [
          gauge(
            'optimistic_failure_tolerance',
            'Members that can be lost one after the other, while standbys take over.',
            redundancy.optimisticFailureTolerance,
          ),
        ]),
  ];
}
