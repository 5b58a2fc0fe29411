import type { AutopilotSettings, AutopilotState } from '@coffer/storage';
import type { MemberTraits } from './disk/members.ts';
import type { Echo, EchoFacts } from './host/echoes.ts';

/** Why members cannot be changed as asked; the message is for the operator. */
export class MembershipError extends Error {
  override readonly name = 'MembershipError';
}

/** Changes and knowledge of the members beyond what taking part needs. All but `introduce` and `echoing` are the active node's. */
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
  configure(settings: AutopilotSettings): void;
  /** By what autopilot is to judge this node. */
  introduce(traits: MemberTraits): void;
  /** What else this node tells the active one about itself with each echo. */
  echoing(facts: () => EchoFacts): void;
  /** The last echo of each standby, by node id. */
  echoes(): ReadonlyMap<string, Echo>;
}
