import type { PeerProgress, RaftStatus } from 'raft-ts';
import type { Member, Members } from '../disk/members.ts';
import type { Echo } from '../host/echoes.ts';
import type { AutopilotConfig } from './autopilot-config.ts';

/** How the leader finds a member to be. */
export interface ServerHealth {
  readonly member: Member;
  readonly leader: boolean;
  readonly voter: boolean;
  /** Since the last word from it, in milliseconds; since this leader began, where it was never heard. */
  readonly silentMs: number;
  readonly lastTerm: number;
  readonly lastIndex: number;
  readonly healthy: boolean;
  /** Silent for longer than the threshold of dead servers. */
  readonly dead: boolean;
  /** Undefined until it told. */
  readonly version?: string;
}

/**
 * Judges each member by what the leader's core knows of it, as `hashicorp/raft-autopilot` does: heard of within the
 * threshold, in the leader's term, and not too far behind.
 *
 * @param echoes by node id
 * @param tickMs the length of one of the core's ticks
 */
export function healthOf(
  members: Members,
  raft: RaftStatus,
  echoes: ReadonlyMap<string, Echo>,
  config: AutopilotConfig,
  tickMs: number,
): readonly ServerHealth[] {
  return members.list.map((member) => {
    const progress = raft.progress.find(({ peer }) => peer === member.peer);
    const leader = member.peer === raft.id;
    const silentMs = leader ? 0 : (progress?.silentTicks ?? 0) * tickMs;
    const lastIndex = leader ? raft.lastIndex : (progress?.match ?? 0);
    const echo = echoes.get(member.nodeId);
    return {
      member,
      leader,
      voter: members.membership.voters.includes(member.peer),
      silentMs,
      // Only answers in the leader's term move `match`.
      lastTerm: leader || lastIndex > 0 ? raft.term : 0,
      lastIndex,
      healthy: leader || isHealthy(progress, raft, silentMs, config),
      dead: !leader && silentMs >= config.deadServerLastContactMs,
      ...(echo === undefined ? {} : { version: echo.version }),
    };
  });
}

function isHealthy(
  progress: PeerProgress | undefined,
  raft: RaftStatus,
  silentMs: number,
  config: AutopilotConfig,
): boolean {
  if (progress === undefined || progress.match === 0) return false;
  return silentMs <= config.lastContactMs && raft.lastIndex - progress.match <= config.maxTrailingLogs;
}
