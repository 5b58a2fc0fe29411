import type { Clock, Log, MaybePromise, Random } from '@coffer/kernel';
import type { LoginAuth, LoginRenewal } from './login.ts';
import type { IntentType } from './intent.ts';
import type { OffLoopWork } from './off-loop-work.ts';
import type { PathDeclaration } from './path.ts';
import type { RequestContext } from './context.ts';
import type { SecretType } from './secret-type.ts';
import type { ReadableView, StorageView } from './storage-view.ts';

/** What an engine may know of and ask from the system. */
export interface SystemView {
  readonly defaultLeaseTtlSeconds: () => number;
  readonly maxLeaseTtlSeconds: () => number;
  readonly clusterId: () => string;
  /** Whether this node writes (active) or serves reads as a replica. */
  readonly isActive: () => boolean;
  /** A password by a named password policy. @throws RequestError if there is none of that name */
  generatePassword(policyName: string): Promise<string>;
  /** An entity's names and metadata, for templates. */
  entity(entityId: string): MaybePromise<EntityView | undefined>;
}

export interface EntityView {
  readonly id: string;
  readonly name: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly aliases: readonly {
    readonly mountAccessor: string;
    readonly name: string;
    readonly metadata: Readonly<Record<string, string>>;
  }[];
  readonly groups: readonly { readonly id: string; readonly name: string }[];
  readonly policies: readonly string[];
}

/** Where intents are kept: `defineIntent` says what they are, and is what engines use. */
export interface Intents {
  record(kind: string, data: Readonly<Record<string, unknown>>): Promise<string>;
  /** Settled together with what the handler wrote. */
  settle(view: StorageView, intentId: string): void;
}

/** The whole world of one mount. */
export interface MountContext {
  readonly accessor: string;
  readonly uuid: string;
  /** `secret/`, `auth/userpass/`. May change by a move: ask again. */
  readonly path: () => string;
  readonly type: string;
  /** `options` of the mount (`version` of KV). */
  readonly options: () => Readonly<Record<string, string>>;
  /** Newest applied state, outside of any request. */
  readonly view: ReadableView;
  /** Runs and commits a function on the mount's view; on the active node only. */
  transact<T>(body: (view: StorageView) => MaybePromise<T>): Promise<T>;
  readonly intents: Intents;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly system: SystemView;
  /** Aborted when the mount ends: sealing, unmounting, stepping down for what runs on the active node only. */
  readonly signal: AbortSignal;
  /** Runs on a thread of the pool what takes longer than 100 µs (bcrypt, RSA). @throws what the function throws */
  offLoop<A extends readonly unknown[], T>(work: OffLoopWork<A, T>, ...args: A): Promise<T>;
  /** A key bound to this mount, derived from the barrier (for HMACs of ids). */
  derive(purpose: string, length: number): Uint8Array;
}

/**
 * A type of secrets engine or auth method: one provider for the process. `E` is a mount's instance, made from replicated
 * state after unsealing and dropped at sealing; caches in it are told of every applied key.
 */
export interface EngineType<E = unknown> {
  /** One line, then details. */
  readonly help: { readonly synopsis: string; readonly description: string };
  readonly paths: readonly PathDeclaration<E>[];
  /** Kinds of leased secrets: `defineSecretType`. */
  readonly secretTypes?: readonly SecretType<E>[];
  /** Kinds of effects outside of the store: `defineIntent`. */
  readonly intentTypes?: readonly IntentType<E>[];
  /** Types whose paths depend on a mount's options (KV's versions): the type that serves these. */
  forOptions?(options: Readonly<Record<string, string>>): EngineType;
  /** Before a mount comes to be. @throws RequestError for options that nothing of this type serves */
  checkOptions?(options: Readonly<Record<string, string>>): void;
  create(mount: MountContext): MaybePromise<E>;
  /** Slow set-up on the active node (data upgrades); requests of this mount wait, others do not. May fail alone. */
  start?(engine: E): Promise<void>;
  stop?(engine: E): MaybePromise<void>;
  /** Before the mount's storage is deleted. */
  cleanUp?(engine: E): Promise<void>;
  /** A key of the mount's view changed (by any node). */
  invalidate?(engine: E, key: string): void;
  /** All keys may have changed. */
  invalidateAll?(engine: E): void;
  /** Called about once a minute on the active node, never twice at once. It writes by `MountContext.transact`. */
  periodic?(engine: E): Promise<void>;
  /**
   * Auth methods: whether and how a login may be renewed; undefined leaves the token as it is, without a word.
   *
   * @throws RequestError to refuse
   */
  renewLogin?(
    engine: E,
    auth: Pick<LoginAuth, 'internal' | 'metadata' | 'policies' | 'alias'>,
    context: RequestContext,
  ): MaybePromise<LoginRenewal | undefined>;
  /** Auth methods that take part in user lockout: the alias name that a login would have, without checking it. */
  loginAlias?(
    engine: E,
    data: Readonly<Record<string, unknown>>,
    relativePath: string,
    view: ReadableView,
  ): MaybePromise<string | undefined>;
  /**
   * Auth methods with roles: the role that a login with these fields would use, without doing it; undefined where there is
   * none. For limits that are set for a role: asked before anybody is known, so about anything.
   */
  loginRole?(
    engine: E,
    data: Readonly<Record<string, unknown>>,
    relativePath: string,
    view: ReadableView,
  ): MaybePromise<string | undefined>;
}

/** Where a plugin may be mounted and under which names. */
export interface PluginInfo {
  readonly kind: 'secret' | 'auth' | 'audit';
  /** The first is the type's own name, the others are aliases (`kv`, `kv-v1`, `kv-v2`, `generic`). */
  readonly names: readonly string[];
  /** Options that a name implies: `kv-v2` → { version: '2' }. */
  readonly impliedOptions?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** May be mounted many times (the default) or exists once by itself (`system`, `token`, `cubbyhole`, `identity`). */
  readonly singleton?: boolean;
  /** `supported`, `deprecated`, … as `deprecation_status` shows it. */
  readonly deprecationStatus?: string;
}
