import type { MaybePromise } from '@coffer/kernel';
import type { RequestContext } from './context.ts';

/** Asks for a lease on what an answer holds; made by `DefinedSecretType.grant`. */
export interface SecretGrant {
  /** One of the engine's `secretTypes`. */
  readonly type: string;
  /** 0: the mount's or system's default. */
  readonly ttlSeconds: number;
  readonly maxTtlSeconds: number;
  readonly renewable: boolean;
  /** Kept with the lease for renewal and revocation; never shown. */
  readonly internal: Readonly<Record<string, unknown>>;
}

/** What a renewal decides. */
export interface LeaseTerms {
  readonly ttlSeconds: number;
  readonly maxTtlSeconds?: number;
  readonly data?: Readonly<Record<string, unknown>>;
}

/** A kind of leased secret, as `defineSecretType` declares it. `revoke` may fail and is tried again; it must tolerate that it already happened. */
export interface SecretType<E> {
  readonly type: string;
  readonly renew?: (
    engine: E,
    internal: Readonly<Record<string, unknown>>,
    context: RequestContext & { readonly incrementSeconds: number; readonly issuedMs: number },
  ) => MaybePromise<LeaseTerms>;
  readonly revoke: (
    engine: E,
    internal: Readonly<Record<string, unknown>>,
    context: RequestContext,
  ) => MaybePromise<void>;
}
