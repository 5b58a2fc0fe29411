/** How long a tick of the raft core is at a performance multiplier of 1, in milliseconds. */
const TICK_MS = 20;

/** Heard nothing for 300 ms (and a random part of as much again), a follower campaigns: failover takes under a second. */
export const ELECTION_TICKS = 15;
export const HEARTBEAT_TICKS = 3;

export interface Timing {
  readonly tickMs: number;
  /** The shortest time without a leader's word before a campaign. */
  readonly electionMs: number;
  /** A disk that takes longer for one write is stuck: the others have elected someone else by then. */
  readonly stuckMs: number;
}

/** @param multiplier Vault's `performance_multiplier`, 1 to 10 */
export function timing(multiplier: number): Timing {
  const tickMs = TICK_MS * Math.min(Math.max(multiplier, 1), 10);
  const electionMs = tickMs * ELECTION_TICKS;
  return { tickMs, electionMs, stuckMs: electionMs * 3 };
}
