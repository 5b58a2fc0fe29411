import type { AutopilotConfig } from './autopilot/autopilot-config.ts';
import type { Echo, EchoFacts } from './host/echoes.ts';

/** Why members cannot be changed as asked; the message is for the operator. */
export class MembershipError extends Error {
  override readonly name = 'MembershipError';
}

/** A member as autopilot sees it. */
export interface AutopilotServer {
  readonly nodeId: string;
  /** `host:port` of the cluster port. */
  readonly address: string;
  /** False for one that is silent for longer than the threshold of dead servers. */
  readonly alive: boolean;
  readonly leader: boolean;
  readonly voter: boolean;
  /** It has no vote yet and will get one. */
  readonly votesLater: boolean;
  readonly lastContactMs: number;
  readonly lastTerm: number;
  readonly lastIndex: number;
  readonly healthy: boolean;
  /** Since when it is as healthy as it is, in milliseconds since 1970, as far as this leader knows. */
  readonly stableSinceMs: number;
  readonly version?: string;
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
}

/** Changes and knowledge of the members beyond what taking part needs. All but `echoing` are the active node's. */
export interface ClusterMembership {
  /**
   * Gives a member a vote once it is healthy and stable.
   *
   * @throws MembershipError; StorageError as `RaftNode.removePeer`
   */
  promote(nodeId: string): Promise<void>;
  /** Takes the vote of a member. @throws MembershipError; StorageError as `RaftNode.removePeer` */
  demote(nodeId: string): Promise<void>;
  /** Undefined where this node does not lead. */
  autopilot(): AutopilotState | undefined;
  configure(config: AutopilotConfig): void;
  /** What this node tells the active one about itself with each echo. */
  echoing(facts: () => EchoFacts): void;
  /** The last echo of each standby, by node id. */
  echoes(): ReadonlyMap<string, Echo>;
}
