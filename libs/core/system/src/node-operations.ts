import type { MaybePromise, Secret } from '@coffer/kernel';
import type { InitRequest, InitResult, SealStatus } from '@coffer/barrier';
import type { NodeAddress } from '@coffer/storage';
import type { GenerateRoot } from './generate-root.ts';
import type { Rekey } from './rekey.ts';

/** What `sys/leader` and `sys/ha-status` tell. */
export interface LeaderStatus {
  readonly haEnabled: boolean;
  readonly isSelf: boolean;
  /** RFC 3339; when this node became active. */
  readonly activeTime?: string;
  readonly leaderAddress: string;
  readonly leaderClusterAddress: string;
  readonly committedIndex?: number;
  readonly appliedIndex?: number;
}

/** What is wrong with a node's storage; for everybody, so without paths and addresses. */
export interface StorageTrouble {
  /** In one word: `stuck`, `full`, `failed`, `damaged`, `clock` or `no-leader`. */
  readonly status: string;
  readonly text: string;
}

export interface HaNode {
  readonly hostname: string;
  readonly address: NodeAddress;
  readonly active: boolean;
  readonly version: string;
  /** Where it is not `version`. */
  readonly upgradeVersion?: string;
  readonly redundancyZone?: string;
  /** RFC 3339; when a standby was last heard. */
  readonly lastEcho?: string;
}

/** The node that the system engine speaks for; the server's composition implements it. */
export interface NodeOperations {
  readonly version: string;
  readonly buildDate: string;
  /** As in `storage_type`. */
  readonly storageType: string;
  sealStatus(): MaybePromise<SealStatus>;
  /** Whether the cluster has removed this node; undefined where the store knows no such thing. */
  removedFromCluster(): boolean | undefined;
  /** What keeps this node from serving, sealed or not; undefined while all is well. */
  storageTrouble(): StorageTrouble | undefined;
  /** How far this node's clock is ahead of the median of the cluster's, in milliseconds; 0 while that is not known. */
  clockSkewMs(): number;
  /** Where the node is known to be. */
  clusterIdentity(): { readonly id: string; readonly name: string } | undefined;
  initialize(request: InitRequest): Promise<InitResult & { readonly rootToken: string }>;
  unseal(share: Secret<Uint8Array>): Promise<SealStatus>;
  resetUnseal(): MaybePromise<SealStatus>;
  seal(): Promise<void>;
  stepDown(): Promise<void>;
  /** Whether it was told to end: it serves what still comes, but new clients should go elsewhere. */
  ending(): boolean;
  leader(): LeaderStatus;
  haNodes(): readonly HaNode[];
  /** What is configured, without secrets. */
  sanitizedConfig(): Readonly<Record<string, unknown>>;
  /** Names of loggers and their levels. */
  logLevels(): ReadonlyMap<string, string>;
  /** @returns false for an unknown logger */
  setLogLevel(logger: string | undefined, level: string): boolean;
  resetLogLevel(logger: string | undefined): boolean;
  /** SIGHUP's work on demand. @returns false for an unknown subsystem */
  reload(subsystem: string): Promise<boolean>;
  requestsInFlight(): Readonly<Record<string, unknown>>;
  metrics(format: 'prometheus' | 'json'): string;
  /** Changes of the unseal key's shares; a new one whenever the node becomes active. @throws RequestError `sealed` */
  rekey(): Rekey;
  /** Root tokens from unseal key shares; a new one whenever the node becomes active. @throws RequestError `sealed` */
  generateRoot(): GenerateRoot;
}
