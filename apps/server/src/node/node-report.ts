import { hostname } from 'node:os';
import type { MemberTraits } from '@coffer/cluster';
import type { HaNode, LeaderStatus } from '@coffer/core-system';
import type { ClusterPart } from './cluster-part.ts';
import { asMetricsJson, asPrometheus, nodeGauges } from './metrics.ts';
import type { NodeParts } from './node-parts.ts';
import { VERSION } from './version.ts';

/** `sys/leader`. */
export function leaderStatus({ ha, cluster }: Pick<NodeParts, 'ha' | 'cluster'>, unsealed: boolean): LeaderStatus {
  const state = ha.state();
  const leader = state.role === 'active' ? ha.self : state.leader;
  return {
    haEnabled: ha.enabled,
    isSelf: unsealed && state.role === 'active' && ha.enabled,
    leaderAddress: ha.enabled ? (leader?.apiAddress ?? '') : '',
    leaderClusterAddress: ha.enabled ? (leader?.clusterAddress ?? '') : '',
    ...(state.role === 'active' && ha.enabled ? { activeTime: new Date(state.sinceMs).toISOString() } : {}),
    ...cluster?.indexes(),
  };
}

/** `sys/ha-status`, on the active node. */
export function haNodes({ ha, cluster }: Pick<NodeParts, 'ha' | 'cluster'>): readonly HaNode[] {
  const self: HaNode = {
    hostname: hostname(),
    address: ha.self,
    active: true,
    version: VERSION,
    ...upgradeTraits(cluster?.traits),
  };
  return [self, ...(cluster?.standbys() ?? []).map(describeStandby)];
}

function describeStandby({ peer, echo }: ReturnType<ClusterPart['standbys']>[number]): HaNode {
  return {
    hostname: echo?.hostname ?? peer.nodeId,
    address: { nodeId: peer.nodeId, apiAddress: peer.apiAddress, clusterAddress: `https://${peer.address}` },
    active: false,
    version: echo?.version ?? '',
    ...upgradeTraits(echo),
    ...(echo === undefined ? {} : { lastEcho: new Date(echo.atMs).toISOString() }),
  };
}

function upgradeTraits(of: MemberTraits | undefined): Pick<HaNode, 'upgradeVersion' | 'redundancyZone'> {
  return {
    ...(of?.upgradeVersion === undefined ? {} : { upgradeVersion: of.upgradeVersion }),
    ...(of?.zone === undefined ? {} : { redundancyZone: of.zone }),
  };
}

/** `sys/metrics`. */
export function nodeMetrics(
  { cluster, inFlight, clock }: Pick<NodeParts, 'cluster' | 'inFlight' | 'clock'>,
  state: { readonly unsealed: boolean; readonly active: boolean },
  format: 'prometheus' | 'json',
): string {
  const gauges = [...nodeGauges({ ...state, inFlight: inFlight().size }), ...(cluster?.gauges?.() ?? [])];
  return format === 'json' ? asMetricsJson(gauges, clock.nowMs()) : asPrometheus(gauges);
}
