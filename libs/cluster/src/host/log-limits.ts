import type { LogIndex } from 'raft-ts';
import type { LevelDisk } from '../disk/level-disk.ts';

export interface LogLimits {
  readonly entriesMax: number;
  readonly bytesMax: number;
}

/** A cut leaves this part of the limits, so that not each batch has to cut. */
const KEPT = 7 / 8;
/** A follower that is alive may hold the log up to so many times its limits; then it gets a snapshot. */
const HELD = 2;

/**
 * Up to where the log is to be cut now, or undefined. Looks at what the log holds and not at what was added since some
 * event, so that the bounds hold whatever the rhythm of restarts.
 *
 * @param neededFrom the first index that a living follower needs
 */
export function cutUpTo(disk: LevelDisk, limits: LogLimits, neededFrom: () => LogIndex): LogIndex | undefined {
  const { log } = disk;
  if (log.count <= limits.entriesMax && log.bytes <= limits.bytesMax) return undefined;
  const wanted = log.cutTarget(limits.entriesMax * KEPT, limits.bytesMax * KEPT);
  const forced = log.cutTarget(limits.entriesMax * HELD * KEPT, limits.bytesMax * HELD * KEPT);
  const target = Math.min(disk.applied, Math.max(forced, Math.min(wanted, neededFrom() - 1)));
  return target > log.cut ? target : undefined;
}
