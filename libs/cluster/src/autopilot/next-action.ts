import type { AutopilotUpgradeStatus } from '@coffer/storage';
import { awaitsWord, isAvailable, type AutopilotView, type JudgedServer } from './autopilot-view.ts';
import { deadToRemove } from './cleanup.ts';
import { upgradeSides, type UpgradeSides } from './upgrade-sides.ts';
import { byRank, chooseVoters, type VoterChoice } from './voter-choice.ts';

/** One change of the members. Whoever carries it out asks again afterwards. */
export interface AutopilotAction {
  /** `promote`: it gets a vote; `demote`: it loses it, and may get it back; `transfer`: it is to lead. */
  readonly kind: 'promote' | 'demote' | 'transfer' | 'remove';
  readonly server: JudgedServer;
}

/** Who should vote, and the sides of an upgrade where one is under way. */
export interface VoterPlan extends VoterChoice {
  readonly sides?: UpgradeSides;
}

/** Who should vote, by redundancy zones and, where an upgrade is under way, by versions. */
export function planVoters(view: AutopilotView): VoterPlan {
  const eligible = view.servers.filter((server) => server.eligible);
  const sides = upgradeSides(view);
  if (sides === undefined) return chooseVoters(view, eligible, []);
  if (view.settings.disableUpgradeMigration) return { ...chooseVoters(view, eligible, []), sides };
  const { ready, target, other } = sides;
  if (ready) {
    const side = eligible.filter((server) => !other.includes(server));
    return { ...chooseVoters(view, side, other), sides };
  }
  // While there are too few of the new version, those without a vote wait; one may stand in where a zone is lost.
  const side = eligible.filter((server) => server.voter || !target.includes(server));
  const zones = new Set(side.map(({ traits }) => traits?.zone));
  const standIns = target.filter(({ voter, traits }) => !voter && traits?.zone !== undefined && zones.has(traits.zone));
  return { ...chooseVoters(view, side, standIns), sides };
}

/**
 * The next change of the members, if one is due; a pure function. Votes are given before any is taken, so there are never
 * fewer voters than wanted. The vote of a member that may be well is taken only when all who should vote are well. In an
 * upgrade the lead moves between the two.
 */
export function nextAction(view: AutopilotView): AutopilotAction | undefined {
  if (!awaitsWord(view)) {
    const plan = planVoters(view);
    const server = toPromote(plan);
    if (server !== undefined) return { kind: 'promote', server };
    const heir = toLead(view, plan);
    if (heir !== undefined) return { kind: 'transfer', server: heir };
    const surplus = toDemote(view, plan);
    if (surplus !== undefined) return { kind: 'demote', server: surplus };
  }
  const dead = deadToRemove(view.servers, view.settings);
  return dead && { kind: 'remove', server: dead };
}

function toPromote({ wanted }: VoterChoice): JudgedServer | undefined {
  return [...wanted].find((server) => !server.voter);
}

/** Who is to lead instead of a leader of an older version, once all who should vote do. */
function toLead(view: AutopilotView, { sides }: VoterPlan): JudgedServer | undefined {
  if (sides?.ready !== true || view.settings.disableUpgradeMigration) return undefined;
  if (!sides.other.some(({ leader }) => leader)) return undefined;
  const [heir] = sides.target
    .filter((server) => server.voter && server.healthy && server.caughtUp && isAvailable(view, server))
    .sort(byRank);
  return heir;
}

/**
 * A voter that should be none, those that are unwell first. `chooseVoters` wants whoever is well before who is not, so
 * where nobody of those wanted is unwell a quorum of healthy ones is left.
 */
function toDemote(view: AutopilotView, { wanted }: VoterChoice): JudgedServer | undefined {
  const allWell = [...wanted].every((server) => server.voter && server.healthy);
  const [surplus] = view.servers
    .filter((server) => server.voter && !wanted.has(server) && !server.leader)
    .filter((server) => allWell || !isAvailable(view, server))
    .sort((one, another) => byRank(another, one));
  return surplus;
}

/** How far an upgrade is, for people. */
export function upgradeStatus(view: AutopilotView, plan: VoterPlan): AutopilotUpgradeStatus {
  const { sides } = plan;
  if (view.settings.disableUpgradeMigration) return 'disabled';
  if (sides === undefined) return 'idle';
  const { target, other, ready } = sides;
  const leads = target.some(({ leader }) => leader);
  if (!ready) return leads && other.every(({ voter }) => !voter) ? 'await-new-servers' : 'await-new-voters';
  if (toPromote(plan) !== undefined) return 'promoting';
  if (!leads) return 'leader-transfer';
  if (other.some((server) => server.voter && !plan.wanted.has(server))) return 'demoting';
  return other.some(({ voter }) => voter) ? 'await-new-servers' : 'await-server-removal';
}
