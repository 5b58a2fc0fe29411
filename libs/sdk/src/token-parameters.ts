/** `default` leaves the choice to the mount. */
export type RequestedTokenType = 'default' | 'service' | 'batch' | 'default-service' | 'default-batch';

/** The `token_*` fields that all login roles share. Durations in seconds; 0 means "not set". */
export interface TokenParameters {
  readonly boundCidrs: readonly string[];
  readonly explicitMaxTtlSeconds: number;
  readonly maxTtlSeconds: number;
  readonly noDefaultPolicy: boolean;
  readonly numUses: number;
  readonly periodSeconds: number;
  readonly policies: readonly string[];
  readonly strictlyBindIp: boolean;
  readonly ttlSeconds: number;
  readonly type: RequestedTokenType;
}

export const NO_TOKEN_PARAMETERS: TokenParameters = Object.freeze({
  boundCidrs: [],
  explicitMaxTtlSeconds: 0,
  maxTtlSeconds: 0,
  noDefaultPolicy: false,
  numUses: 0,
  periodSeconds: 0,
  policies: [],
  strictlyBindIp: false,
  ttlSeconds: 0,
  type: 'default',
});
