import { auditPaths } from '@coffer/core-audit';
import { leasePaths } from '@coffer/core-leases';
import { lockedUserPaths } from '@coffer/core-lockout';
import { capabilityPaths, policyPaths } from '@coffer/core-policies';
import { raftPaths, healthPaths, internalUiPaths, mountPaths, remountPaths, sealPaths } from '@coffer/core-system';
import type { NodeOperations, RaftOperations } from '@coffer/core-system';
import { wrappingPaths } from '@coffer/core-wrapping';
import type { PathDeclaration } from '@coffer/sdk';
import type { NodeServices } from './services.ts';

/**
 * All of `sys/`, each part declared by the service that it speaks for.
 *
 * @param services throws while sealed; paths that are served then do not ask for it
 */
export function systemPaths(
  node: NodeOperations,
  services: () => NodeServices,
  systemTtl: { readonly defaultSeconds: number; readonly maxSeconds: number },
  raft: RaftOperations | undefined,
): readonly PathDeclaration<unknown>[] {
  const mounts = (): NodeServices['mounts'] => services().mounts;
  const mountDeps = { mounts, version: node.version, systemTtl };
  return [
    ...healthPaths(node),
    ...sealPaths(node),
    ...mountPaths('secret', mountDeps),
    ...mountPaths('auth', mountDeps),
    ...remountPaths(mounts),
    ...(raft ? raftPaths(raft) : []),
    ...internalUiPaths({
      mounts,
      router: () => services().router,
      tokens: () => services().tokens,
      policies: () => services().policies,
      version: node.version,
    }),
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
