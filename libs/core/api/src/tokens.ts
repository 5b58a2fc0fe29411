import type { MaybePromise, Secret } from '@coffer/kernel';
import type { LoginAuth, NamespaceRef, TokenAuth } from '@coffer/sdk';
import type { Transaction } from '@coffer/storage';

/** A token as stored, under its salted id. Frozen. */
export interface TokenEntry {
  /** HMAC-SHA-256 of the token by the cluster's salt, hex; the token itself is stored nowhere. */
  readonly saltedId: string;
  readonly accessor: string;
  /** Salted id of the parent; '' for orphans. */
  readonly parent: string;
  readonly policies: readonly string[];
  /** Policies given inline (batch tokens carry all of themselves). */
  readonly path: string;
  readonly metadata: Readonly<Record<string, string>> | null;
  readonly displayName: string;
  readonly namespace: NamespaceRef;
  readonly type: 'service' | 'batch';
  /** Milliseconds since 1970. */
  readonly createdMs: number;
  readonly lastRenewedMs: number;
  readonly ttlSeconds: number;
  readonly explicitMaxTtlSeconds: number;
  readonly periodSeconds: number;
  /** When it ends, milliseconds since 1970; 0 for never. */
  readonly expiresMs: number;
  readonly renewable: boolean;
  /** 0: unlimited. */
  readonly numUses: number;
  readonly boundCidrs: readonly string[];
  readonly strictlyBindIp: boolean;
  readonly role: string;
  readonly entityId: string;
  readonly noIdentityPolicies: boolean;
  readonly internal?: Readonly<Record<string, unknown>>;
  /** A wrapping token: what it may do is unwrap. */
  readonly wrapping?: boolean;
  /** Set while its tree is revoked; it is good for nothing from then on. */
  readonly revoking?: boolean;
}

export interface NewToken {
  readonly namespace: NamespaceRef;
  /** Undefined: an orphan. */
  readonly parent?: TokenEntry;
  readonly id?: string;
  readonly policies: readonly string[];
  readonly path: string;
  readonly metadata: Readonly<Record<string, string>> | null;
  readonly displayName: string;
  readonly type: 'service' | 'batch';
  readonly ttlSeconds: number;
  readonly explicitMaxTtlSeconds: number;
  readonly periodSeconds: number;
  readonly renewable: boolean;
  readonly numUses: number;
  readonly boundCidrs: readonly string[];
  readonly strictlyBindIp: boolean;
  readonly role: string;
  readonly entityId: string;
  readonly noIdentityPolicies?: boolean;
  readonly internal?: Readonly<Record<string, unknown>>;
  readonly wrapping?: boolean;
}

export interface CreatedToken {
  readonly token: Secret<string>;
  readonly entry: TokenEntry;
}

/** What a root token's path and name say of where it is from: initialisation (the default), or a request like others. */
export type RootOrigin = 'root' | 'create';

/** Where a login came from. */
export interface LoginOrigin {
  /** The request's path, within its namespace. */
  readonly path: string;
  /** The client's address, for tokens that are bound to it. */
  readonly remoteAddress: string;
}

/** Service tokens live in the store; batch tokens carry themselves, encrypted. */
export interface TokenStore {
  /** One look-up by salted id, cached. Undefined for unknown, ended or revoked tokens. Judges no use limit. */
  lookup(token: Secret<string>): MaybePromise<TokenEntry | undefined>;
  bySaltedId(saltedId: string): MaybePromise<TokenEntry | undefined>;
  byAccessor(accessor: string): MaybePromise<TokenEntry | undefined>;
  /** Writes token, accessor, parent's index and lease into the transaction. */
  create(tx: Transaction, token: NewToken): CreatedToken;
  /** Token, entity and lease of a login, in its transaction: mount's limits, default policy, token type. */
  login(
    tx: Transaction,
    login: LoginAuth,
    mount: {
      readonly accessor: string;
      readonly path: string;
      readonly namespace: NamespaceRef;
      readonly type: string;
    },
    from: LoginOrigin,
  ): Promise<{ readonly auth: TokenAuth; readonly warnings: readonly string[] }>;
  /** Spends one use; the last one revokes it after the request. @returns whether the token may still be used for this request */
  spendUse(tx: Transaction, entry: TokenEntry): MaybePromise<{ readonly allowed: boolean; readonly last: boolean }>;
  /** Revokes a token and all below it. The token itself is dead when this resolves, its descendants and leases follow. */
  revokeTree(saltedId: string): Promise<void>;
  /** Revokes only this one; its children become orphans. */
  revokeOrphan(saltedId: string): Promise<void>;
  /** The first root token; written into the batch of the initialisation. */
  createRoot(tx: Transaction, id?: string, origin?: RootOrigin): CreatedToken;
}
