import { isAvailable, zoneOrSelf, type AutopilotView, type JudgedServer } from './autopilot-view.ts';

/** Where there are so many members, so many vote, however few zones there are: fewer could not lose any. */
const VOTERS_MIN = 3;

/** What `chooseVoters` decides. */
export interface VoterChoice {
  /** Who should vote. Only those who have a vote already may be unwell. */
  readonly wanted: ReadonlySet<JudgedServer>;
  /** Those of them that vote for their own zone, or for themselves. */
  readonly keepers: ReadonlySet<JudgedServer>;
}

/**
 * Chooses who should vote: one of each redundancy zone, and each member without a zone. Where nobody of a zone can, and
 * where zones are fewer than three, others take the places that are left: of the same side first, then stand-ins, and at
 * last those who have a vote and are unwell, since a vote is not given up for nothing. Who votes already is preferred to
 * who does not, so that nothing moves without a reason.
 *
 * @param side whose zones are to be represented
 * @param standIns who may take a place that nobody of `side` can take
 */
export function chooseVoters(
  view: AutopilotView,
  side: readonly JudgedServer[],
  standIns: readonly JudgedServer[],
): VoterChoice {
  const zones = Map.groupBy(side, zoneOrSelf);
  const canVote = (server: JudgedServer): boolean => isAvailable(view, server);
  const keepers = new Set<JudgedServer>();
  for (const servers of zones.values()) {
    const [best] = servers.filter(canVote).sort(byRank);
    if (best !== undefined) keepers.add(best);
  }
  const wanted = new Set(keepers);
  const size = Math.max(zones.size, votersMin(view));
  const unwell = [...side, ...standIns].filter((server) => server.voter && !canVote(server));
  for (const pool of [side.filter(canVote), standIns.filter(canVote), unwell]) {
    while (wanted.size < size) {
      const next = nextExtra(pool, wanted);
      if (next === undefined) break;
      wanted.add(next);
    }
  }
  return { wanted, keepers };
}

function votersMin({ servers }: AutopilotView): number {
  return servers.filter(({ eligible }) => eligible).length < VOTERS_MIN ? 1 : VOTERS_MIN;
}

/** The one of a pool that votes already, else of the zone that has fewest of those wanted. */
function nextExtra(pool: readonly JudgedServer[], wanted: ReadonlySet<JudgedServer>): JudgedServer | undefined {
  const inZone = (server: JudgedServer): number =>
    [...wanted].filter((each) => zoneOrSelf(each) === zoneOrSelf(server)).length;
  const [best] = pool
    .filter((server) => !wanted.has(server))
    .sort(
      (left, right) => Number(right.voter) - Number(left.voter) || inZone(left) - inZone(right) || byRank(left, right),
    );
  return best;
}

/** The leader, then voters, then who has been well for longest, then who joined first. */
export function byRank(left: JudgedServer, right: JudgedServer): number {
  return (
    Number(right.leader) - Number(left.leader) ||
    Number(right.voter) - Number(left.voter) ||
    Number(right.healthy) - Number(left.healthy) ||
    left.sinceMs - right.sinceMs ||
    left.member.peer - right.member.peer
  );
}
