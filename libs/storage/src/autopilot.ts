/**
 * What a replicated store's members are, and how they are looked after: the terms between the store that has members and
 * the API that shows them. Names and defaults are Vault's.
 */

/** What an operator sets of autopilot. */
export interface AutopilotSettings {
  /** Whether members that have been silent for `deadServerLastContactThresholdSeconds` are removed. */
  readonly cleanupDeadServers: boolean;
  /** A member that was silent for longer is unhealthy. */
  readonly lastContactThresholdSeconds: number;
  readonly deadServerLastContactThresholdSeconds: number;
  /** A member whose log is more entries behind is unhealthy. */
  readonly maxTrailingLogs: number;
  /** Cleaning up leaves at least so many voters. 0: not set. */
  readonly minQuorum: number;
  /** For so long a member must have been healthy before it gets a vote. */
  readonly serverStabilizationSeconds: number;
  /** Whether votes stay where they are when members of a newer version come. */
  readonly disableUpgradeMigration: boolean;
}

/** Vault's defaults. */
export const AUTOPILOT_DEFAULTS: AutopilotSettings = {
  cleanupDeadServers: false,
  lastContactThresholdSeconds: 10,
  deadServerLastContactThresholdSeconds: 24 * 3600,
  maxTrailingLogs: 1000,
  minQuorum: 0,
  serverStabilizationSeconds: 10,
  disableUpgradeMigration: false,
};

/**
 * What a member is there for. `zone-voter` is the one that votes for its redundancy zone, `zone-extra-voter` votes in the
 * place of another zone that has nobody who can, `zone-standby` waits to take over. `non-voter` never gets a vote.
 */
export type AutopilotNodeType = 'voter' | 'non-voter' | 'zone-voter' | 'zone-extra-voter' | 'zone-standby';

/** A member as autopilot sees it. */
export interface AutopilotServer {
  readonly nodeId: string;
  /** `host:port` of the cluster port. */
  readonly address: string;
  /** False for one that is silent for longer than the threshold of dead servers. */
  readonly alive: boolean;
  readonly leader: boolean;
  readonly voter: boolean;
  readonly type: AutopilotNodeType;
  readonly lastContactMs: number;
  readonly lastTerm: number;
  readonly lastIndex: number;
  readonly healthy: boolean;
  /** Since when it is as healthy as it is, in milliseconds since 1970, as far as this leader knows. */
  readonly stableSinceMs: number;
  /** Undefined until it told. */
  readonly version?: string;
  /** By which upgrades go: set by its operator, or `version`. */
  readonly upgradeVersion?: string;
  readonly zone?: string;
}

/** A redundancy zone: who is in it, by node id, and who of them votes. */
export interface AutopilotZone {
  readonly servers: readonly string[];
  readonly voters: readonly string[];
  /** So many of its healthy servers can be lost while one is left to vote for it. */
  readonly failureTolerance: number;
}

/**
 * How far a move of the votes to members of a newer version is. `await-new-voters`: too few of them are there;
 * `promoting`, `leader-transfer`, `demoting`: it goes on, in this order; `await-new-servers`: the lead is with the new
 * ones, and more of them are needed; `await-server-removal`: the old ones can be taken away.
 */
export type AutopilotUpgradeStatus =
  | 'idle'
  | 'disabled'
  | 'await-new-voters'
  | 'promoting'
  | 'leader-transfer'
  | 'demoting'
  | 'await-new-servers'
  | 'await-server-removal';

/** Node ids, by version and vote. */
export interface AutopilotVersions {
  readonly targetVoters: readonly string[];
  readonly targetNonVoters: readonly string[];
  readonly otherVoters: readonly string[];
  readonly otherNonVoters: readonly string[];
}

export interface AutopilotUpgrade extends AutopilotVersions {
  readonly status: AutopilotUpgradeStatus;
  readonly targetVersion: string;
  /** Members that never get a vote. */
  readonly targetReadReplicas: readonly string[];
  readonly otherReadReplicas: readonly string[];
  readonly zones: ReadonlyMap<string, AutopilotVersions>;
}

/** How the members are; see Vault's `sys/storage/raft/autopilot/state`. */
export interface AutopilotState {
  readonly healthy: boolean;
  /** So many healthy voters can still be lost. */
  readonly failureTolerance: number;
  readonly leader: string;
  readonly voters: readonly string[];
  readonly nonVoters: readonly string[];
  readonly servers: readonly AutopilotServer[];
  /** Where members have redundancy zones. */
  readonly redundancy?: {
    readonly zones: ReadonlyMap<string, AutopilotZone>;
    /** So many can be lost one after the other, with time for standbys to take over. */
    readonly optimisticFailureTolerance: number;
  };
  /** Where members have versions that differ, or were set, or redundancy zones. */
  readonly upgrade?: AutopilotUpgrade;
}
