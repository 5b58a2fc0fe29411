import type { AutopilotSettings } from '@coffer/storage';
import type { PeerProgress, RaftStatus } from 'raft-ts';
import type { Member, Members, MemberTraits } from '../disk/members.ts';

/** A follower that is at most so many entries behind may become a voter, or take the lead. */
const CAUGHT_UP_ENTRIES = 256;

/** How the leader finds a member to be. */
export interface ServerHealth {
  readonly member: Member;
  readonly leader: boolean;
  readonly voter: boolean;
  /** Votes, or may be given a vote: no member that joined without one for good. */
  readonly eligible: boolean;
  /** Since the last word from it, in milliseconds; since this leader began, where it was never heard. */
  readonly silentMs: number;
  readonly lastTerm: number;
  readonly lastIndex: number;
  readonly healthy: boolean;
  /** Not heard by this leader yet, and not for so long that it would count as unwell. */
  readonly unheard: boolean;
  /** Silent for longer than the threshold of dead servers. */
  readonly dead: boolean;
  /** Follows the leader closely at this moment. */
  readonly caughtUp: boolean;
  /** Undefined until it told. */
  readonly traits?: MemberTraits;
}

/**
 * Judges each member by what the leader's core knows of it, as `hashicorp/raft-autopilot` does: heard of within the
 * threshold, in the leader's term, and not too far behind.
 *
 * @param traits what a member told, by node id
 * @param tickMs the length of one of the core's ticks
 */
export function healthOf(
  members: Members,
  raft: RaftStatus,
  traits: (member: Member) => MemberTraits | undefined,
  settings: AutopilotSettings,
  tickMs: number,
): readonly ServerHealth[] {
  return members.list.map((member) => {
    const progress = raft.progress.find(({ peer }) => peer === member.peer);
    const leader = member.peer === raft.id;
    const voter = members.membership.voters.includes(member.peer);
    const silentMs = leader ? 0 : (progress?.silentTicks ?? 0) * tickMs;
    const lastIndex = leader ? raft.lastIndex : (progress?.match ?? 0);
    const told = traits(member);
    return {
      member,
      leader,
      voter,
      eligible: voter || member.promote,
      silentMs,
      // Only answers in the leader's term move `match`.
      lastTerm: leader || lastIndex > 0 ? raft.term : 0,
      lastIndex,
      healthy: leader || isHealthy(progress, raft, silentMs, settings),
      unheard: lastIndex === 0 && silentMs <= settings.lastContactThresholdSeconds * 1000,
      dead: !leader && silentMs >= settings.deadServerLastContactThresholdSeconds * 1000,
      caughtUp: leader || isCaughtUp(progress, raft),
      ...(told === undefined ? {} : { traits: told }),
    };
  });
}

function isHealthy(
  progress: PeerProgress | undefined,
  raft: RaftStatus,
  silentMs: number,
  settings: AutopilotSettings,
): boolean {
  if (progress === undefined || progress.match === 0) return false;
  const heard = silentMs <= settings.lastContactThresholdSeconds * 1000;
  return heard && raft.lastIndex - progress.match <= settings.maxTrailingLogs;
}

function isCaughtUp(progress: PeerProgress | undefined, raft: RaftStatus): boolean {
  if (progress?.recentlyActive !== true || progress.state !== 'replicate') return false;
  return raft.lastIndex - progress.match <= CAUGHT_UP_ENTRIES;
}
