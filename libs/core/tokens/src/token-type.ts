import type { RequestedTokenType } from '@coffer/sdk';

/** The type of a login's token: a mount that is tuned to one type decides, otherwise the role, otherwise the mount's default. */
export function loginTokenType(
  wanted: RequestedTokenType,
  mount: 'default-service' | 'default-batch' | 'service' | 'batch' | undefined,
): 'service' | 'batch' {
  if (mount === 'service' || mount === 'batch') return mount;
  const chosen = wanted === 'default' ? (mount ?? 'default-service') : wanted;
  return chosen === 'batch' || chosen === 'default-batch' ? 'batch' : 'service';
}
