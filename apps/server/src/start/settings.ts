import type { JoinSource } from '@coffer/cluster';
import type { ListenerOptions, HandlerOptions } from '@coffer/gateway';
import type { LogLevel } from '@coffer/kernel';
import type { LogFormat } from '../logging/line-log.ts';
import type { AuthorityTimes } from '../node/cluster-tls.ts';
import type { RemoteSettings } from './remote-settings.ts';

/** Where data is kept. */
export type StorageSettings =
  | { readonly kind: 'inmem' }
  | RemoteSettings
  | {
      readonly kind: 'raft';
      readonly path: string;
      readonly nodeId: string;
      readonly performanceMultiplier: number;
      readonly retryJoin: readonly JoinSource[];
      readonly joinsAsNonVoter: boolean;
      readonly redundancyZone?: string;
      readonly upgradeVersion?: string;
      readonly logEntriesMax: number;
      readonly logBytesMax: number;
      readonly entryBytesMax: number;
    };

/** One listener, ready to be opened. */
export interface ListenerSettings {
  readonly listener: ListenerOptions;
  readonly handler: HandlerOptions;
}

/** All that a server needs to start, from configuration files or the flags of a development server. */
export interface ServerSettings {
  readonly storage: StorageSettings;
  readonly listeners: readonly ListenerSettings[];
  /** `host:port` of the cluster port. */
  readonly clusterListenAddress: string;
  readonly apiAddress: string;
  readonly clusterAddress: string;
  readonly clusterName: string | undefined;
  readonly authorityTimes: AuthorityTimes;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
  readonly defaultLeaseTtlSeconds: number;
  readonly maxLeaseTtlSeconds: number;
  readonly cacheBytesMax: number;
  readonly rawStorageEndpoint: boolean;
  readonly ui: boolean;
  /** As `sys/config/state/sanitized` shows it. */
  readonly sanitized: Readonly<Record<string, unknown>>;
  /** Written to the log at the start. */
  readonly notes: readonly string[];
  /** The same, as warnings. */
  readonly cautions: readonly string[];
  /** Where the process writes its number while it runs. */
  readonly pidFile?: string;
}

/** Vault's 768 hours. */
export const DEFAULT_LEASE_TTL_SECONDS = 768 * 3600;
export const DEFAULT_CACHE_BYTES = 64 * 1024 * 1024;
/** Vault's 32 MiB. */
export const BODY_BYTES_MAX = 32 * 1024 * 1024;
/** Vault's `http_read_timeout`. */
export const BODY_TIMEOUT_MS = 30_000;
export const REQUEST_DURATION_MS = 90_000;
