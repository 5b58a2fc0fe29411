/** What an operator sets of autopilot; names and defaults are Vault's. Times are in milliseconds. */
export interface AutopilotConfig {
  /** Whether members that have been silent for `deadServerLastContactMs` are removed. */
  readonly cleanupDeadServers: boolean;
  /** A member that was silent for longer is unhealthy. */
  readonly lastContactMs: number;
  readonly deadServerLastContactMs: number;
  /** A member whose log is more entries behind is unhealthy. */
  readonly maxTrailingLogs: number;
  /** Cleaning up leaves at least so many voters. 0: not set. */
  readonly minQuorum: number;
  /** For so long a member must have been healthy before it gets a vote. */
  readonly serverStabilizationMs: number;
  /** Kept for clients that set it; there are no automated upgrades that it could turn off. */
  readonly disableUpgradeMigration: boolean;
}

export const AUTOPILOT_DEFAULTS: AutopilotConfig = {
  cleanupDeadServers: false,
  lastContactMs: 10_000,
  deadServerLastContactMs: 24 * 3_600_000,
  maxTrailingLogs: 1000,
  minQuorum: 0,
  serverStabilizationMs: 10_000,
  disableUpgradeMigration: false,
};
