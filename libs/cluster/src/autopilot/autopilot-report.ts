import type {
  AutopilotNodeType,
  AutopilotServer,
  AutopilotState,
  AutopilotUpgrade,
  AutopilotVersions,
  AutopilotZone,
} from '@coffer/storage';
import type { AutopilotView, JudgedServer } from './autopilot-view.ts';
import { planVoters, upgradeStatus, type VoterPlan } from './next-action.ts';
import { isOfVersion, newestVersion, upgradeVersionOf } from './upgrade-sides.ts';

/**
 * The members as `sys/storage/raft/autopilot/state` shows them.
 *
 * @param wallMs since when a member is as it is, in milliseconds since 1970
 */
export function reportOf(view: AutopilotView, wallMs: (server: JudgedServer) => number): AutopilotState {
  const { servers } = view;
  const plan = planVoters(view);
  const voters = servers.filter((server) => server.voter);
  const quorum = Math.floor(voters.length / 2) + 1;
  const failureTolerance = Math.max(0, voters.filter((server) => server.healthy).length - quorum);
  const zones = zonesOf(servers);
  const upgrade = upgradeOf(view, plan);
  return {
    healthy: servers.every((server) => server.healthy),
    failureTolerance,
    leader: servers.find((server) => server.leader)?.member.nodeId ?? '',
    voters: namesOf(voters),
    nonVoters: namesOf(servers.filter((server) => !server.voter)),
    servers: servers.map((server) => shown(server, plan, wallMs(server))),
    ...(zones.size === 0 ? {} : { redundancy: { zones, optimisticFailureTolerance: optimistic(failureTolerance, zones) } }), // prettier-ignore
    ...(upgrade === undefined ? {} : { upgrade }),
  };
}

const namesOf = (servers: readonly JudgedServer[]): readonly string[] => servers.map(({ member }) => member.nodeId);

function shown(server: JudgedServer, plan: VoterPlan, stableSinceMs: number): AutopilotServer {
  const { member, leader, voter, silentMs, lastTerm, lastIndex, healthy, dead, traits } = server;
  const upgradeVersion = upgradeVersionOf(server);
  return {
    nodeId: member.nodeId,
    address: member.clusterAddress.replace(/^[a-z]+:\/\//, ''),
    alive: !dead,
    leader,
    voter,
    type: typeOf(server, plan),
    lastContactMs: silentMs,
    lastTerm,
    lastIndex,
    healthy,
    stableSinceMs,
    ...(traits === undefined ? {} : { version: traits.version }),
    ...(upgradeVersion === undefined ? {} : { upgradeVersion }),
    ...(traits?.zone === undefined ? {} : { zone: traits.zone }),
  };
}

function typeOf(server: JudgedServer, { wanted, keepers }: VoterPlan): AutopilotNodeType {
  if (!server.eligible) return 'non-voter';
  if (server.traits?.zone === undefined) return 'voter';
  if (!wanted.has(server)) return 'zone-standby';
  return keepers.has(server) ? 'zone-voter' : 'zone-extra-voter';
}

function byZone(servers: readonly JudgedServer[]): ReadonlyMap<string, readonly JudgedServer[]> {
  const zoned = servers.flatMap((server) => {
    const zone = server.traits?.zone;
    return zone !== undefined && server.eligible ? [{ zone, server }] : [];
  });
  const zones = [...Map.groupBy(zoned, ({ zone }) => zone)].map(
    ([zone, some]) => [zone, some.map(({ server }) => server)] as const,
  );
  return new Map(zones.sort(([left], [right]) => (left < right ? -1 : 1)));
}

function zonesOf(all: readonly JudgedServer[]): ReadonlyMap<string, AutopilotZone> {
  return mapValues(byZone(all), (servers) => ({
    servers: namesOf(servers),
    voters: namesOf(servers.filter(({ voter }) => voter)),
    failureTolerance: Math.max(0, servers.filter(({ healthy }) => healthy).length - 1),
  }));
}

function optimistic(failureTolerance: number, zones: ReadonlyMap<string, AutopilotZone>): number {
  return [...zones.values()].reduce((sum, zone) => sum + zone.failureTolerance, failureTolerance);
}

function upgradeOf(view: AutopilotView, plan: VoterPlan): AutopilotUpgrade | undefined {
  const { servers } = view;
  const version = newestVersion(servers);
  const isSet = servers.some(({ traits }) => traits?.zone !== undefined || traits?.upgradeVersion !== undefined);
  if (version === undefined || (plan.sides === undefined && !isSet)) return undefined;
  const replicas = servers.filter(({ eligible, traits }) => !eligible && traits !== undefined);
  return {
    status: upgradeStatus(view, plan),
    targetVersion: version,
    ...versionsOf(servers, version),
    targetReadReplicas: namesOf(replicas.filter((server) => isOfVersion(server, version))),
    otherReadReplicas: namesOf(replicas.filter((server) => !isOfVersion(server, version))),
    zones: mapValues(byZone(servers), (inZone) => versionsOf(inZone, version)),
  };
}

function versionsOf(servers: readonly JudgedServer[], version: string): AutopilotVersions {
  const names = (ofTarget: boolean, voting: boolean): readonly string[] =>
    namesOf(
      servers.filter(
        (server) =>
          server.eligible &&
          server.traits !== undefined &&
          server.voter === voting &&
          isOfVersion(server, version) === ofTarget,
      ),
    );
  return {
    targetVoters: names(true, true),
    targetNonVoters: names(true, false),
    otherVoters: names(false, true),
    otherNonVoters: names(false, false),
  };
}

function mapValues<From, To>(from: ReadonlyMap<string, From>, turn: (value: From) => To): ReadonlyMap<string, To> {
  return new Map([...from].map(([key, value]) => [key, turn(value)]));
}
