import type { AutopilotSettings } from '@coffer/storage';
import type { JudgedServer } from './autopilot-view.ts';

/**
 * Which dead member to remove now, if any: one at a time, so that each removal is judged by what the former left. Members
 * without a vote go first. A voter goes only if at least `minQuorum` voters are left and most of those left are alive:
 * where more than half of them are gone, it may be this side of a broken network that is wrong, and only people can tell.
 */
export function deadToRemove(servers: readonly JudgedServer[], settings: AutopilotSettings): JudgedServer | undefined {
  if (!settings.cleanupDeadServers) return undefined;
  const dead = servers.filter((server) => server.dead && !server.leader);
  const withoutVote = dead.find((server) => !server.voter);
  if (withoutVote !== undefined) return withoutVote;
  const voters = servers.filter((server) => server.voter);
  const deadVoters = dead.filter((server) => server.voter);
  const left = voters.length - 1;
  if (deadVoters.length === 0 || left < Math.max(settings.minQuorum, 1)) return undefined;
  const living = voters.filter((server) => server.healthy).length;
  if (living <= voters.length / 2) return undefined;
  return deadVoters[0];
}
