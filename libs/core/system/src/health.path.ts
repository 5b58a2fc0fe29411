import { RequestError, badRequest, definePath, field } from '@coffer/sdk';
import type { PathDeclaration, Response } from '@coffer/sdk';
import { whenReady } from '@coffer/kernel';
import type { MaybePromise } from '@coffer/kernel';
import type { SealStatus } from '@coffer/barrier';
import type { NodeOperations } from './node-operations.ts';
import { sealStatusData } from './seal.path.ts';

const codes = {
  standbyok: field.string('Answer as if active while on standby.'),
  perfstandbyok: field.string('Answer as if active while a performance standby.'),
  activecode: field.string('Status of an active node.'),
  standbycode: field.string('Status of a standby.'),
  sealedcode: field.string('Status of a sealed node.'),
  uninitcode: field.string('Status of a node that is not initialised.'),
  drsecondarycode: field.string('Status of a disaster recovery secondary.'),
  performancestandbycode: field.string('Status of a performance standby.'),
  removedcode: field.string('Status of a node that was removed from its cluster.'),
  haunhealthycode: field.string('Status of a node whose disk fails, or that has not known an active node for seconds.'),
};

/** @throws RequestError for what is no number, whether it is used or not */
function codeOf(text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  if (!/^[+-]?\d+$/.test(text)) throw badRequest(`"${text}" is not an HTTP status`);
  return Number(text);
}

/** @throws RequestError for a status that cannot be answered */
function answerable(code: number): number {
  if (code < 200 || code > 599) throw badRequest(`${String(code)} is not an HTTP status between 200 and 599`);
  return code;
}

const isSaid = (text: string | undefined): boolean => text !== undefined && text !== 'false' && text !== '0';

/** `sys/health`, `sys/seal-status`, `sys/leader`, `sys/ha-status`: about this very node, sealed or not. */
export function healthPaths(node: NodeOperations): readonly PathDeclaration<unknown>[] {
  return [
    definePath('health', {
      fields: codes,
      help: { synopsis: 'Whether this node is initialised, unsealed and active, as a status code.' },
      unauthenticated: true,
      whileSealed: true,
      neverWrapped: true,
      read: {
        summary: 'The health of this node',
        runs: 'local',
        handler: (_: unknown, fields, { nowMs }): MaybePromise<Response> => {
          const expected = {
            active: codeOf(fields.activecode, 200),
            standby: codeOf(fields.standbycode, 429),
            sealed: codeOf(fields.sealedcode, 503),
            uninitialized: codeOf(fields.uninitcode, 501),
            removed: codeOf(fields.removedcode, 530),
            unhealthy: codeOf(fields.haunhealthycode, 474),
          };
          return whenReady(node.sealStatus(), (status) => {
            const { isSelf, haEnabled } = node.leader();
            const standby = !status.sealed && haEnabled && !isSelf;
            const code = !status.initialized
              ? expected.uninitialized
              : node.removedFromCluster() === true
                ? expected.removed
                : status.sealed || node.ending()
                  ? expected.sealed
                  : node.storageTrouble()
                    ? expected.unhealthy
                    : standby && !isSaid(fields.standbyok) && !isSaid(fields.perfstandbyok)
                      ? expected.standby
                      : expected.active;
            return { bare: true, status: answerable(code), data: healthData(node, status, standby, nowMs) };
          });
        },
      },
    }),
    definePath('seal-status', {
      fields: {},
      help: { synopsis: 'Whether this node is sealed, and how far an attempt to unseal it is.' },
      unauthenticated: true,
      whileSealed: true,
      neverWrapped: true,
      read: {
        summary: 'The seal of this node',
        runs: 'local',
        handler: () =>
          whenReady(node.sealStatus(), (status): Response => ({ bare: true, data: sealStatusData(node, status) })),
      },
    }),
    definePath('leader', {
      fields: {},
      help: { synopsis: 'Which node is active.' },
      unauthenticated: true,
      whileSealed: true,
      neverWrapped: true,
      read: {
        summary: 'The active node',
        runs: 'local',
        // A sealed node is told of none.
        handler: () =>
          whenReady(node.sealStatus(), ({ sealed }): Response => {
            if (sealed && node.leader().haEnabled) throw new RequestError('sealed');
            return { bare: true, data: leaderData(node) };
          }),
      },
    }),
    definePath('ha-status', {
      fields: {},
      help: { synopsis: 'The nodes of this cluster.' },
      read: {
        summary: 'The nodes',
        runs: 'active',
        handler: () => ({ alsoAtTopLevel: true, data: { nodes: node.haNodes().map(haNodeData) } }),
      },
    }),
  ];
}

function healthData(
  node: NodeOperations,
  status: SealStatus,
  standby: boolean,
  nowMs: number,
): Record<string, unknown> {
  const identity = status.sealed ? undefined : node.clusterIdentity();
  const removed = node.removedFromCluster();
  const trouble = node.storageTrouble();
  return {
    initialized: status.initialized,
    ...(removed === undefined ? {} : { removed_from_cluster: removed }),
    sealed: status.sealed,
    standby: standby || status.sealed || !status.initialized,
    performance_standby: false,
    replication_performance_mode: status.sealed ? 'unknown' : 'disabled',
    replication_dr_mode: status.sealed ? 'unknown' : 'disabled',
    server_time_utc: Math.floor(nowMs / 1000),
    version: node.version,
    enterprise: false,
    ...(identity ? { cluster_name: identity.name, cluster_id: identity.id } : {}),
    ...(trouble ? { storage_status: trouble.status, storage_error: trouble.text } : {}),
    echo_duration_ms: 0,
    clock_skew_ms: Math.round(node.clockSkewMs()),
    replication_primary_canary_age_ms: 0,
  };
}

function leaderData(node: NodeOperations): Record<string, unknown> {
  const leader = node.leader();
  return {
    ha_enabled: leader.haEnabled,
    is_self: leader.isSelf,
    active_time: leader.activeTime ?? '0001-01-01T00:00:00Z',
    leader_address: leader.leaderAddress,
    leader_cluster_address: leader.leaderClusterAddress,
    performance_standby: false,
    performance_standby_last_remote_wal: 0,
    ...(leader.committedIndex === undefined ? {} : { raft_committed_index: leader.committedIndex }),
    ...(leader.appliedIndex === undefined ? {} : { raft_applied_index: leader.appliedIndex }),
  };
}

function haNodeData(haNode: ReturnType<NodeOperations['haNodes']>[number]): Record<string, unknown> {
  return {
    hostname: haNode.hostname,
    api_address: haNode.address.apiAddress,
    cluster_address: haNode.address.clusterAddress,
    active_node: haNode.active,
    last_echo: haNode.lastEcho ?? null,
    echo_duration_ms: 0,
    clock_skew_ms: 0,
    version: haNode.version,
    upgrade_version: haNode.upgradeVersion ?? haNode.version,
    redundancy_zone: haNode.redundancyZone ?? '',
  };
}
