import type { Epoch } from './backend.ts';

/** Where a node can be reached. */
export interface NodeAddress {
  readonly nodeId: string;
  /** Redirect address for clients, e.g. `http://10.0.0.1:8200`. */
  readonly apiAddress: string;
  /** Address of the cluster port, e.g. `https://10.0.0.1:8201`. */
  readonly clusterAddress: string;
}

/** What this node is at the moment. */
export type HaState =
  /** May write under `epoch`; its state holds every earlier acknowledged write. */
  | { readonly role: 'active'; readonly epoch: Epoch; readonly sinceMs: number }
  /** Another node (if known) is active. */
  | { readonly role: 'standby'; readonly leader?: NodeAddress };

/**
 * Who may write. Raft answers from its log; a store without election (inmem) is always active; later stores hold a lock
 * with a fencing token.
 */
export interface HaCoordinator {
  /** Whether there can be standbys (`ha_enabled` in `sys/leader`). */
  readonly enabled: boolean;
  /** This node's own address. */
  readonly self: NodeAddress;
  state(): HaState;
  /** Called after each change, in order. Returns the function that ends it. */
  onChange(listener: (state: HaState) => void): () => void;
  /**
   * Gives the lead to the best standby, if there is one; resolves when this node is no longer active or no other could
   * take over (then it stays active).
   */
  stepDown(): Promise<void>;
}
