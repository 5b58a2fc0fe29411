import type { TokenEntry } from '@coffer/core-api';
import type { TokenAuth } from '@coffer/sdk';

/** A token as `auth` of an answer. @param clientToken '' where the caller knows the accessor only */
export function authOf(
  entry: TokenEntry,
  clientToken: string,
  ttlSeconds: number,
  identityPolicies: readonly string[],
): TokenAuth {
  const shown = entry.noIdentityPolicies ? [] : identityPolicies;
  return {
    clientToken,
    accessor: entry.accessor,
    policies: [...new Set([...entry.policies, ...shown])].sort(),
    tokenPolicies: entry.policies,
    ...(shown.length > 0 ? { identityPolicies: shown } : {}),
    metadata: entry.metadata,
    ttlSeconds,
    renewable: entry.renewable,
    entityId: entry.entityId,
    tokenType: entry.type,
    orphan: entry.parent === '',
    numUses: Math.max(entry.numUses, 0),
  };
}
