import type { AesGcmBarrier, ShamirSealManager, StoredKeys } from '@coffer/barrier';
import type { Echo, MemberTraits, PeerInfo } from '@coffer/cluster';
import type { StorageTrouble } from '@coffer/core-system';
import type { Gauge } from './metrics.ts';
import type { Restore } from './restoring.ts';

/** How a node takes part in its cluster, whatever the storage; called in the order of the node's life. */
export interface ClusterPart {
  /** Lets others join by this node's seal, where joining is a thing. */
  serveJoins?(seal: ShamirSealManager): void;
  /** Begins a new cluster: this node is active when it resolves. */
  bootstrap(clusterId: string): Promise<void>;
  /** The authority of a new cluster, on its first node. */
  createTls(barrier: AesGcmBarrier): Promise<void>;
  /** After unsealing. */
  connect(barrier: AesGcmBarrier): Promise<void>;
  /** Before sealing: hands over. */
  disconnect(): Promise<void>;
  /**
   * On the active node, restores: the authority by which members trust each other stays that of the cluster that runs, at
   * every moment, unless the keys of the state to come are not to be had.
   *
   * @param state what it stores about its keys
   */
  keepAuthority?(barrier: AesGcmBarrier, state: StoredKeys | undefined, restore: Restore): Promise<unknown>;
  /** After a restore of a state that this node cannot read: leaves once the others have it, too. */
  leaveRestored?(): Promise<void>;
  /** What this node tells the others of itself. */
  readonly traits?: MemberTraits;
  /** The other members, as far as known, each with its last word. */
  standbys(): readonly { readonly peer: PeerInfo; readonly echo: Echo | undefined }[];
  /** Whether the cluster has removed this node, where that can be. */
  removed?(): boolean;
  /** Called once when this node learns that it was removed. */
  onRemoved?(listener: () => void): void;
  /** What is wrong with the storage, if anything. */
  trouble?(): StorageTrouble | undefined;
  /** See `NodeOperations.clockSkewMs`. */
  clockSkewMs?(): number;
  /** What the storage measures. */
  gauges?(): readonly Gauge[];
  indexes(): { readonly committedIndex?: number; readonly appliedIndex?: number };
}
