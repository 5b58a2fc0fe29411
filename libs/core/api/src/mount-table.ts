import type { MaybePromise } from '@coffer/kernel';
import type { NamespaceRef, PathDeclaration, EngineType, MountContext } from '@coffer/sdk';

/** Tunable settings; durations in seconds, 0 for the system's default. */
export interface MountTuning {
  readonly defaultLeaseTtlSeconds: number;
  readonly maxLeaseTtlSeconds: number;
  readonly forceNoCache: boolean;
  readonly listingVisibility?: '' | 'unauth' | 'hidden';
  readonly auditNonHmacRequestKeys?: readonly string[];
  readonly auditNonHmacResponseKeys?: readonly string[];
  readonly passthroughRequestHeaders?: readonly string[];
  readonly allowedResponseHeaders?: readonly string[];
  readonly tokenType?: 'default-service' | 'default-batch' | 'service' | 'batch';
  readonly userLockout?: UserLockoutTuning;
}

/** 0 stands for the system's. */
export interface UserLockoutTuning {
  readonly disabled: boolean;
  readonly threshold: number;
  readonly durationSeconds: number;
  readonly counterResetSeconds: number;
}

/** What is to be changed of a mount's settings: the rest stays. */
export type TuningChange = Partial<Omit<MountTuning, 'userLockout'>> & {
  readonly userLockout?: Partial<UserLockoutTuning>;
};

/** A mount as stored under `core/mounts` or `core/auth`. Frozen; a change replaces it. */
export interface MountEntry {
  readonly table: 'secret' | 'auth';
  readonly namespace: NamespaceRef;
  /** Ends with `/`; of auth mounts without `auth/`. */
  readonly path: string;
  readonly type: string;
  readonly description: string;
  readonly uuid: string;
  /** `kv_1a2b3c4d`, `auth_userpass_1a2b3c4d`. */
  readonly accessor: string;
  readonly options: Readonly<Record<string, string>>;
  /** Whoever enabled it said `null` for the options, as Vault's command line does: they are shown so until there are some. */
  readonly optionsNull?: true;
  readonly local: boolean;
  readonly sealWrap: boolean;
  readonly externalEntropyAccess: boolean;
  readonly pluginVersion: string;
  readonly tuning: MountTuning;
  /** It is being moved or removed, or its removal failed: it answers nobody, but its leases can be revoked. */
  readonly tainted: boolean;
}

/** A mount that serves: its entry, type and instance. */
export interface LiveMount {
  readonly entry: MountEntry;
  readonly type: EngineType;
  readonly engine: unknown;
  readonly context: MountContext;
  /** Full prefix within the namespace: `secret/`, `auth/userpass/`. */
  readonly prefix: string;
  /** Where its keys begin in the store: `logical/<uuid>/`, `auth/<uuid>/`, `sys/`. */
  readonly storagePrefix: string;
  /** Why it does not serve, when it could not be made. */
  readonly unavailable?: string;
  /** Its engine is starting on the active node: requests wait until then. Never rejects. */
  readonly starting?: Promise<void>;
}

/** What a path leads to. */
export interface Route {
  readonly mount: LiveMount;
  /** Below the mount. */
  readonly relativePath: string;
  /** Undefined where the mount declares no such path. */
  readonly path?: PathDeclaration<unknown>;
  /** The parts of the path, by parameter name. */
  readonly captures: Readonly<Record<string, string>>;
}

export interface Router {
  /** The mount with the longest prefix, and the path within. Works while sealed for the system mount. */
  route(namespace: NamespaceRef, path: string): Route | undefined;
  mount(namespace: NamespaceRef, path: string): LiveMount | undefined;
  /** Whether the path takes a streamed body. Asked before every body: types that declare none are not searched. */
  takesStream(namespace: NamespaceRef, path: string): boolean;
  byAccessor(accessor: string): LiveMount | undefined;
  all(): readonly LiveMount[];
}

export interface MountRequest {
  readonly table: 'secret' | 'auth';
  readonly namespace: NamespaceRef;
  readonly path: string;
  readonly type: string;
  readonly description?: string;
  readonly options?: Readonly<Record<string, string>> | null;
  readonly local?: boolean;
  readonly sealWrap?: boolean;
  readonly externalEntropyAccess?: boolean;
  readonly pluginVersion?: string;
  readonly tuning?: TuningChange;
}

/** Changes the mount tables. All throw RequestError with Vault's texts. */
export interface Mounts {
  list(table: 'secret' | 'auth', namespace: NamespaceRef): readonly MountEntry[];
  enable(request: MountRequest): Promise<MountEntry>;
  /** Revokes its leases, cleans up, deletes its storage. Succeeds where nothing is mounted. */
  disable(table: 'secret' | 'auth', namespace: NamespaceRef, path: string): Promise<void>;
  tune(
    entry: MountEntry,
    tuning: TuningChange,
    more: {
      readonly description?: string;
      /** Over those that are there; an empty text takes one away. */
      readonly options?: Readonly<Record<string, string>>;
    },
  ): Promise<MountEntry>;
  /** Starts a move and returns its id; it goes on in the background. */
  move(from: MoveEnd, to: MoveEnd): Promise<string>;
  moveStatus(id: string): MaybePromise<
    | {
        readonly id: string;
        readonly sourceMount: string;
        readonly targetMount: string;
        readonly status: 'in-progress' | 'success' | 'failure';
      }
    | undefined
  >;
}

export interface MoveEnd {
  readonly table: 'secret' | 'auth';
  readonly namespace: NamespaceRef;
  readonly path: string;
}
