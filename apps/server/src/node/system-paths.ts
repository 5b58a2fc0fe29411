import { auditPaths } from '@coffer/core-audit';
import { leasePaths } from '@coffer/core-leases';
import { lockedUserPaths } from '@coffer/core-lockout';
import { capabilityPaths, policyPaths } from '@coffer/core-policies';
import {
  autopilotPaths,
  corsPaths,
  counterPaths,
  generateRootPaths,
  healthPaths,
  internalUiPaths,
  introspectionPaths,
  keyStatusPaths,
  loggerPaths,
  mountPaths,
  openApiPaths,
  pluginCatalogPaths,
  raftPaths,
  raftSnapshotPaths,
  snapshotAutoPaths,
  raftStatusPaths,
  rawPaths,
  rekeyPaths,
  remountPaths,
  sealPaths,
  toolsPaths,
  uiHeaderPaths,
  versionHistoryPaths,
} from '@coffer/core-system';
import type {
  AutopilotOperations,
  Counters,
  NodeOperations,
  RaftOperations,
  RaftStatusOperations,
} from '@coffer/core-system';
import type { PluginSource } from '@coffer/core-api';
import type { Random } from '@coffer/kernel';
import { wrappingPaths } from '@coffer/core-wrapping';
import type { PathDeclaration } from '@coffer/sdk';
import type { NodeSnapshots } from '../snapshots/cluster-snapshots.ts';
import type { NodeServices } from './services.ts';

/** What `sys/` needs besides the node and its services. */
export interface SystemParts {
  readonly plugins: PluginSource;
  readonly random: Random;
  /** Whether `sys/raw` is served. */
  readonly rawStorageEndpoint: boolean;
  readonly snapshots?: NodeSnapshots;
}

/**
 * All of `sys/`, each part declared by the service that it speaks for.
 *
 * @param services throws while sealed; paths that are served then do not ask for it
 */
export function systemPaths(
  node: NodeOperations,
  services: () => NodeServices,
  systemTtl: { readonly defaultSeconds: number; readonly maxSeconds: number },
  raft: (RaftOperations & RaftStatusOperations & AutopilotOperations) | undefined,
  parts: SystemParts,
): readonly PathDeclaration<unknown>[] {
  const mounts = (): NodeServices['mounts'] => services().mounts;
  const mountDeps = { mounts, version: node.version, systemTtl };
  const readers = {
    router: () => services().router,
    tokens: () => services().tokens,
    policies: () => services().policies,
    version: node.version,
  };
  return [
    ...healthPaths(node),
    ...sealPaths(node),
    ...mountPaths('secret', mountDeps),
    ...mountPaths('auth', mountDeps),
    ...remountPaths(mounts),
    ...(raft ? [...raftPaths(raft), ...raftStatusPaths(raft), ...autopilotPaths(raft)] : []),
    ...(parts.snapshots
      ? [...raftSnapshotPaths(parts.snapshots), ...snapshotAutoPaths(parts.snapshots.schedules)]
      : []),
    ...keyStatusPaths(() => services().barrier),
    ...introspectionPaths(node),
    ...loggerPaths(node),
    ...counterPaths(() => countersOf(services())),
    ...versionHistoryPaths,
    ...corsPaths,
    ...uiHeaderPaths,
    ...openApiPaths(readers),
    ...internalUiPaths({ mounts, ...readers }),
    ...partPaths(node, parts),
    ...policyPaths(() => services().policies),
    ...capabilityPaths({ tokens: () => services().tokens, policies: () => services().policies }),
    ...leasePaths(() => services().leases),
    ...auditPaths(() => services().audit),
    ...lockedUserPaths(() => services().lockout),
    ...wrappingPaths({
      wrapping: () => services().wrapping,
      tokens: () => services().tokens,
      policies: () => services().policies,
    }),
  ];
}

function partPaths(node: NodeOperations, parts: SystemParts): readonly PathDeclaration<unknown>[] {
  return [
    ...rekeyPaths({ rekey: () => node.rekey() }),
    ...generateRootPaths({ generateRoot: () => node.generateRoot() }),
    ...pluginCatalogPaths({ plugins: parts.plugins, version: node.version }),
    ...toolsPaths(parts.random),
    ...(parts.rawStorageEndpoint ? rawPaths : []),
  ];
}

function countersOf(services: NodeServices): Counters {
  return {
    tokens: async () => (await services.tokens.accessors()).length,
    entities: () => services.identity.count(),
  };
}
