import type { MaybePromise } from '@coffer/kernel';
import type { JsonObject, NamespaceRef, Operation } from '@coffer/sdk';
import type { TokenEntry } from './tokens.ts';

export type Capability = 'create' | 'read' | 'update' | 'patch' | 'delete' | 'list' | 'scan' | 'sudo' | 'deny' | 'root';

/** Why a request was allowed or refused; for the audit log and `explain`, never for the client. */
export interface Decision {
  readonly allowed: boolean;
  /** The caller has `sudo` on the path. */
  readonly sudo: boolean;
  readonly root: boolean;
  /** Policies whose rule decided. */
  readonly grantingPolicies: readonly { readonly name: string; readonly namespaceId: string }[];
  readonly reason: string;
  /** Limits on wrapping by the rule, in seconds. */
  readonly minWrappingTtlSeconds?: number;
  readonly maxWrappingTtlSeconds?: number;
}

/** The compiled rules of one caller. */
export interface Acl {
  /**
   * @param path within the namespace, as the router sees it
   * @param operation `create` or `update` told apart already
   */
  decide(
    namespace: NamespaceRef,
    path: string,
    operation: Operation,
    data: JsonObject,
    wrapTtlSeconds: number | undefined,
  ): Decision;
  /** Sorted; `['deny']` if none, `['root']` for root. */
  capabilities(namespace: NamespaceRef, path: string): readonly Capability[];
  /** Whether any rule could grant anything below a prefix (`sys/internal/ui/mounts`). */
  touches(namespace: NamespaceRef, prefix: string): boolean;
  /** For `sys/internal/ui/resultant-acl`. */
  describe(): {
    readonly root: boolean;
    readonly exactPaths: Readonly<Record<string, unknown>>;
    readonly globPaths: Readonly<Record<string, unknown>>;
  };
}

export interface StoredPolicy {
  readonly name: string;
  readonly namespaceId: string;
  readonly text: string;
  readonly version: number;
  readonly casRequired: boolean;
  /** Whether values of templates may hold `/`, or `*` and `+`; off unless the operator says so. */
  readonly allowSlashes?: boolean;
  readonly allowWildcards?: boolean;
  /** Milliseconds since 1970; 0: never. */
  readonly expiresMs: number;
  readonly modifiedMs: number;
}

export interface PolicyStore {
  get(namespace: NamespaceRef, name: string): MaybePromise<StoredPolicy | undefined>;
  list(namespace: NamespaceRef): MaybePromise<readonly string[]>;
  /** Compiled and cached by (namespace id, names and versions, template values). */
  aclFor(entry: TokenEntry): MaybePromise<Acl>;
  /** The ACL of a list of policies alone, without a token. */
  aclOf(namespace: NamespaceRef, policies: readonly string[]): MaybePromise<Acl>;
}
