import type { TokenParameters } from './token-parameters.ts';

/** Who logged in, as the auth method names them. */
export interface AliasClaim {
  readonly name: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** What a login answers. Token store, identity and leases make the token of it, in the login's own batch. */
export interface LoginAuth {
  /** Appended to the mount's path for `display_name`: `ann` → `userpass-ann`. */
  readonly displayName: string;
  readonly policies: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly alias?: AliasClaim;
  readonly groupAliases?: readonly AliasClaim[];
  /** All `token_*` fields of the role or user. */
  readonly parameters: TokenParameters;
  readonly renewable: boolean;
  /** Kept with the token's lease and given back to `renewLogin`; never shown. */
  readonly internal?: Readonly<Record<string, unknown>>;
  /** A use limit of the credential itself, or a TTL that it carries, in seconds. */
  readonly ttlSecondsMax?: number;
}

/** A token, as `auth` of an answer shows it. */
export interface TokenAuth {
  readonly clientToken: string;
  readonly accessor: string;
  /** All, with those of the identity. */
  readonly policies: readonly string[];
  readonly tokenPolicies: readonly string[];
  readonly identityPolicies?: readonly string[];
  readonly metadata: Readonly<Record<string, string>> | null;
  readonly ttlSeconds: number;
  readonly renewable: boolean;
  readonly entityId: string;
  readonly tokenType: 'service' | 'batch';
  readonly orphan: boolean;
  readonly numUses: number;
}

/** What a renewal of a login may decide. */
export interface LoginRenewal {
  readonly parameters: TokenParameters;
  /** The policies that a login would give now; if they differ from the token's, the renewal is refused. */
  readonly policies?: readonly string[];
  readonly groupAliases?: readonly AliasClaim[];
}
