import type { LogIndex } from 'raft-ts';
import type { LevelDisk } from '../disk/level-disk.ts';

export interface LogLimits {
  readonly entriesMax: number;
  readonly bytesMax: number;
  /** How large the state is, in bytes; undefined while that is not known. */
  readonly stateBytes?: () => number | undefined;
}

/** A cut leaves this part of the limits, so that not each batch has to cut. */
const KEPT = 7 / 8;
/** A follower that is alive may hold the log up to so many times its limits; then it gets a snapshot. */
const HELD = 2;
/**
 * A log that is longer than this part of the state is longer than useful, from so many bytes on: a follower that is
 * behind gets the state sooner than such a log, and the disk holds mostly what lives.
 */
const STATE_SHARE = 1 / 2;
const USEFUL_BYTES_MIN = 8 << 20;

/**
 * Up to where the log is to be cut now, or undefined. Looks at what the log holds and not at what was added since some
 * event, so that the bounds hold whatever the rhythm of restarts.
 *
 * @param neededFrom the first index that a living follower needs
 */
export function cutUpTo(disk: LevelDisk, limits: LogLimits, neededFrom: () => LogIndex): LogIndex | undefined {
  const { log } = disk;
  const { entriesMax } = limits;
  const bytesMax = bytesBound(limits);
  if (log.count <= entriesMax && log.bytes <= bytesMax) return undefined;
  const wanted = log.cutTarget(entriesMax * KEPT, bytesMax * KEPT);
  const forced = log.cutTarget(entriesMax * HELD * KEPT, limits.bytesMax * HELD * KEPT);
  const target = Math.min(disk.applied, Math.max(forced, Math.min(wanted, neededFrom() - 1)));
  return target > log.cut ? target : undefined;
}

function bytesBound({ bytesMax, stateBytes }: LogLimits): number {
  const state = stateBytes?.();
  return state === undefined ? bytesMax : Math.min(bytesMax, Math.max(USEFUL_BYTES_MIN, state * STATE_SHARE));
}
