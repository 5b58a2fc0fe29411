import type { Clock, Log, Random } from '@coffer/kernel';
import type { PluginSource } from '@coffer/core-api';
import type { AutopilotOperations, NodeOperations, RaftOperations, RaftStatusOperations } from '@coffer/core-system';
import type { Request } from '@coffer/sdk';
import type { Backend, HaCoordinator } from '@coffer/storage';
import type { NodeSnapshots, RestorableNode } from '../snapshots/cluster-snapshots.ts';
import type { ClusterPart } from './cluster-part.ts';

/** What a node is made of. */
export interface NodeParts {
  readonly backend: Backend;
  readonly ha: HaCoordinator;
  /** Taking part in a cluster; undefined for stores that need no such thing. */
  readonly cluster?: ClusterPart;
  /** `sys/storage/raft`, where that is the storage. */
  readonly raft?: RaftOperations & RaftStatusOperations & AutopilotOperations;
  /** Snapshots of the state, where the store can be put back to one. */
  readonly snapshots?: (node: RestorableNode) => NodeSnapshots;
  readonly plugins: PluginSource;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly clusterName: string | undefined;
  readonly systemTtl: { readonly defaultSeconds: number; readonly maxSeconds: number };
  readonly cacheBytesMax: number;
  readonly rawStorageEndpoint: boolean;
  readonly sanitizedConfig: Readonly<Record<string, unknown>>;
  readonly logLevels: Pick<NodeOperations, 'logLevels' | 'setLogLevel' | 'resetLogLevel'>;
  readonly reload: (subsystem: string) => Promise<boolean>;
  /** Called after each unsealing. */
  readonly unsealed?: () => void;
  /** The requests that are not answered yet, with when they came (ms since 1970). */
  readonly inFlight: () => ReadonlyMap<Request, number>;
}
