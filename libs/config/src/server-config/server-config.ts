import type { Position } from '../hcl/ast.ts';
import type { ConfigNote } from './reader.ts';

/** Certificates and rules of TLS; files are named, not read. */
export interface ListenerTls {
  readonly certFile: string;
  readonly keyFile: string;
  readonly clientCaFile?: string;
  readonly requireClientCert: boolean;
  readonly disableClientCerts: boolean;
  readonly minVersion: 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';
  readonly maxVersion?: 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';
  /** In OpenSSL's names, joined by `:`. */
  readonly ciphers?: string;
}

export interface ListenerConfig {
  /** `host:port`. */
  readonly address: string;
  readonly clusterAddress?: string;
  /** Undefined: plain HTTP (`tls_disable`). */
  readonly tls?: ListenerTls;
  readonly requestBytesMax?: number;
  readonly requestDurationSecondsMax?: number;
  readonly jsonDepthMax?: number;
  readonly forwardedFor?: {
    readonly authorizedCidrs: readonly string[];
    readonly hopSkips: number;
    readonly rejectNotPresent: boolean;
    readonly rejectNotAuthorized: boolean;
  };
  readonly proxyProtocol?: {
    readonly behavior: 'use_always' | 'allow_authorized' | 'deny_unauthorized';
    readonly authorizedAddrs: readonly string[];
  };
  /** `custom_response_headers`: by `default`, `2xx` or `404`, headers by their lower-case names. */
  readonly responseHeaders?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly readHeaderTimeoutSeconds?: number;
  readonly readTimeoutSeconds?: number;
  readonly writeTimeoutSeconds?: number;
  readonly idleTimeoutSeconds?: number;
  /** `disable_unauthed_…_endpoints = false`: what this listener serves without a token beyond the usual. */
  readonly opens?: readonly ('unauthenticated-rekey' | 'unauthenticated-generate-root')[];
}

/** A node to join through, or how to find some; files are named, not read. */
export interface RetryJoinConfig {
  /** Undefined where `autoJoin` is given. */
  readonly leaderApiAddr?: string;
  readonly autoJoin?: {
    /** `provider=… key=value …`; whether there is such a provider is not checked here. */
    readonly text: string;
    readonly scheme: 'http' | 'https';
    readonly port: number;
    /** Where it stands, for errors. */
    readonly file: string;
    readonly at: Position;
  };
  readonly caCert?: string;
  readonly caCertFile?: string;
  readonly clientCert?: string;
  readonly clientCertFile?: string;
  readonly clientKey?: string;
  readonly clientKeyFile?: string;
  readonly tlsServername?: string;
}

/** Where a setting stands, for complaints about what is only seen later. */
export interface ConfigPlace {
  readonly file: string;
  readonly position: Position;
}

/** A PostgreSQL database; see docs/configuration.md for the meaning of each. */
export interface PostgresqlConfig {
  readonly kind: 'postgresql';
  readonly at: ConfigPlace;
  /** Secret: it may hold a password. May come from the environment. */
  readonly connectionUrl?: string;
  readonly table: string;
  readonly haTable: string;
  readonly haEnabled: boolean;
  readonly maxParallel: number;
  readonly maxIdleConnections: number;
  readonly maxConnectRetries: number;
  readonly skipCreateTable: boolean;
}

/** An etcd cluster. */
export interface EtcdConfig {
  readonly kind: 'etcd';
  readonly at: ConfigPlace;
  /** Client URLs; may come from the environment. */
  readonly addresses?: readonly string[];
  /** What all keys begin with; ends with `/`. */
  readonly path: string;
  readonly haEnabled: boolean;
  readonly username?: string;
  /** Secret. */
  readonly password?: string;
  readonly tlsCaFile?: string;
  readonly tlsCertFile?: string;
  readonly tlsKeyFile?: string;
  readonly requestTimeoutSeconds: number;
}

/** `ha_storage`: where the active node is elected, beside a storage that cannot do it itself. */
export type HaStorageConfig = PostgresqlConfig | EtcdConfig;

export type StorageConfig =
  | { readonly kind: 'inmem' }
  | PostgresqlConfig
  | EtcdConfig
  | {
      readonly kind: 'raft';
      readonly path: string;
      readonly nodeId?: string;
      /** Vault's: 1 (the tightest) to 10. */
      readonly performanceMultiplier: number;
      readonly trailingLogs?: number;
      readonly snapshotThreshold?: number;
      readonly maxEntrySize?: number;
      readonly retryJoin: readonly RetryJoinConfig[];
      readonly joinAsNonVoter: boolean;
      /** Of these one member votes; checked by `redundancyZoneError`. */
      readonly redundancyZone?: string;
      /** By which upgrades go, in the place of the program's; a version (`isVersion`). */
      readonly upgradeVersion?: string;
    };

/** A server's configuration, all files added up. Durations in seconds. */
export interface ServerConfig {
  readonly storage: StorageConfig;
  readonly haStorage?: HaStorageConfig;
  readonly listeners: readonly ListenerConfig[];
  readonly apiAddr?: string;
  readonly clusterAddr?: string;
  readonly clusterName?: string;
  /** So old an authority of the cluster port gets a successor. */
  readonly clusterAuthorityTtlSeconds?: number;
  readonly ui: boolean;
  readonly logLevel?: string;
  readonly logFormat?: 'standard' | 'json';
  readonly defaultLeaseTtlSeconds?: number;
  readonly maxLeaseTtlSeconds?: number;
  readonly maxRequestDurationSeconds?: number;
  readonly cacheDisabled: boolean;
  readonly rawStorageEndpoint: boolean;
  readonly pidFile?: string;
  readonly notes: readonly ConfigNote[];
}
