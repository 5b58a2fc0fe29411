import { inCidrs } from '@coffer/sdk';
import { isIP } from 'node:net';

/** Whom to believe about the client's address (`x_forwarded_for_*` of a listener). */
export interface ForwardedForRules {
  /** Proxies whose header counts; empty: the header is never looked at. */
  readonly authorizedCidrs: readonly string[];
  /** How many addresses from the right are proxies' own. */
  readonly hopSkips: number;
  readonly rejectNotPresent: boolean;
  readonly rejectNotAuthorized: boolean;
}

export type AddressDecision = { readonly address: string } | { readonly refuse: string };

/** The client's address behind trusted proxies, or why the request is refused (400). */
export function clientAddress(
  peer: string,
  header: string | readonly string[] | undefined,
  rules: ForwardedForRules | undefined,
): AddressDecision {
  if (!rules || rules.authorizedCidrs.length === 0) return { address: peer };
  if (header === undefined)
    return rules.rejectNotPresent
      ? { refuse: 'missing x-forwarded-for header and configured to reject when not present' }
      : { address: peer };
  if (!inCidrs(peer, rules.authorizedCidrs)) {
    return rules.rejectNotAuthorized
      ? { refuse: 'client address not authorized for x-forwarded-for and configured to reject connection' }
      : { address: peer };
  }
  const addresses = (typeof header === 'string' ? [header] : header)
    .flatMap((line) => line.split(','))
    .map((item) => item.trim());
  const chosen = addresses[addresses.length - 1 - rules.hopSkips];
  if (chosen === undefined)
    return {
      refuse: `malformed x-forwarded-for configuration or request, hops to skip (${String(rules.hopSkips)}) would skip before earliest chain link`,
    };
  return isIP(chosen) === 0 ? { refuse: 'malformed x-forwarded-for header' } : { address: chosen };
}
