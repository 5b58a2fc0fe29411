import type { MaybePromise } from '@coffer/kernel';
import type { NamespaceRef, SecretGrant, TokenAuth } from '@coffer/sdk';
import type { Transaction } from '@coffer/storage';

/** A lease as stored. Frozen. */
export interface LeaseEntry {
  /** `database/creds/readonly/<24 characters>`, `auth/userpass/login/ann/h<salted token id>`. */
  readonly id: string;
  readonly namespace: NamespaceRef;
  /** Of the mount that revokes it. */
  readonly mountAccessor: string;
  readonly path: string;
  /** Token it belongs to; for the lease of a token, that token. */
  readonly saltedTokenId: string;
  readonly issuedMs: number;
  readonly lastRenewedMs: number;
  /** 0: never. */
  readonly expiresMs: number;
  readonly renewable: boolean;
  readonly ttlSeconds: number;
  readonly maxTtlSeconds: number;
  /** A secret's type and internal data; absent for the lease of a token. */
  readonly secret?: {
    readonly type: string;
    readonly internal: Readonly<Record<string, unknown>>;
    readonly data?: Readonly<Record<string, unknown>>;
  };
  /** Last failure to revoke; given up for now after the last attempt. */
  readonly revokeError?: string;
  readonly irrevocable?: boolean;
  readonly revokeAttempts?: number;
}

/**
 * Finds leases by their due time from an index in the store (`sys/expire/due/<time>/<id>`): start-up reads what is due
 * soon, not what exists. Revocation is retried with growing waits, at most so many at a time.
 */
export interface LeaseManager {
  /** Writes the lease of a secret into the request's transaction; returns what the client is told. */
  registerSecret(
    tx: Transaction,
    grant: SecretGrant,
    from: {
      readonly namespace: NamespaceRef;
      readonly mountAccessor: string;
      readonly path: string;
      readonly saltedTokenId: string;
      readonly data: Readonly<Record<string, unknown>>;
      readonly tokenExpiresMs: number;
      /** The lease of a batch token's secret ends with the token at the latest; a service token's end revokes it. */
      readonly tokenType?: 'service' | 'batch';
    },
  ): {
    readonly leaseId: string;
    readonly ttlSeconds: number;
    readonly renewable: boolean;
    readonly warnings: readonly string[];
  };
  /** Writes (or moves, on renewal) the lease of a token. */
  registerToken(
    tx: Transaction,
    lease: {
      readonly namespace: NamespaceRef;
      readonly mountAccessor: string;
      readonly path: string;
      readonly saltedTokenId: string;
      readonly expiresMs: number;
      readonly issuedMs: number;
      readonly renewable: boolean;
      readonly ttlSeconds: number;
      readonly previousExpiresMs?: number;
    },
  ): string;
  /** Removes the lease of a token that goes, wherever it stands in the index. */
  dropToken(tx: Transaction, namespace: NamespaceRef, path: string, saltedTokenId: string): MaybePromise<void>;
  get(namespace: NamespaceRef, id: string): MaybePromise<LeaseEntry | undefined>;
  renew(
    namespace: NamespaceRef,
    id: string,
    incrementSeconds: number,
  ): Promise<{
    readonly leaseId: string;
    readonly ttlSeconds: number;
    readonly renewable: boolean;
    readonly data?: Readonly<Record<string, unknown>>;
    readonly auth?: TokenAuth;
    readonly warnings: readonly string[];
  }>;
  /** `sync`: resolves when it is revoked; otherwise when that it will be is stored. */
  revoke(
    namespace: NamespaceRef,
    id: string,
    options: { readonly sync: boolean; readonly force?: boolean },
  ): Promise<void>;
  revokePrefix(
    namespace: NamespaceRef,
    prefix: string,
    options: { readonly sync: boolean; readonly force: boolean },
  ): Promise<void>;
  revokeByToken(saltedTokenId: string): Promise<void>;
  list(namespace: NamespaceRef, prefix: string): MaybePromise<readonly string[]>;
}
