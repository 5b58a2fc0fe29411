import { assert } from '@coffer/kernel';
import type { MaybePromise } from '@coffer/kernel';
import type { RequestContext } from './context.ts';
import type { LeaseTerms, SecretGrant, SecretType } from './secret-type.ts';

/** What a grant leaves out is the mount's or the system's default. Seconds. */
export interface GrantTerms {
  readonly ttlSeconds?: number | undefined;
  readonly maxTtlSeconds?: number | undefined;
  /** By default whatever has a `renew` can be renewed. */
  readonly renewable?: boolean;
}

/** A secret type that makes its own grants, so that what `revoke` reads is what was granted. */
export interface DefinedSecretType<E, I extends object> extends SecretType<E> {
  /** For `Response.secret`. */
  grant(internal: I, terms?: GrantTerms): SecretGrant;
}

/**
 * Declares a kind of leased secret. `I` is what is kept with the lease: JSON, never shown.
 *
 * @example
 *     export const userSecret = defineSecretType('user', {
 *       renew: (_: Database, _user: User, { incrementSeconds }) => ({ ttlSeconds: incrementSeconds }),
 *       revoke: (database: Database, { name }: User) => database.dropUser(name),
 *     });
 *     // in a handler
 *     return { data: { username, password }, secret: userSecret.grant({ name: username }, { ttlSeconds }) };
 *
 * @throws AssertionFailure for an empty name
 */
export function defineSecretType<E, I extends object>(
  type: string,
  spec: {
    /** How long it lives from now on; bounded by the mount's and the grant's maximum. */
    readonly renew?: (
      engine: E,
      internal: I,
      context: RequestContext & { readonly incrementSeconds: number; readonly issuedMs: number },
    ) => MaybePromise<LeaseTerms>;
    /** May fail and is tried again; tolerates that it already happened. */
    readonly revoke: (engine: E, internal: I, context: RequestContext) => MaybePromise<void>;
  },
): DefinedSecretType<E, I> {
  assert(type !== '', 'a secret type has a name');
  return Object.freeze({
    // What comes back with the lease is what `grant` took: the type that the leases forget.
    ...(spec as unknown as Pick<SecretType<E>, 'renew' | 'revoke'>),
    type,
    grant: (
      internal: I,
      { ttlSeconds = 0, maxTtlSeconds = 0, renewable = spec.renew !== undefined }: GrantTerms = {},
    ) => ({
      type,
      ttlSeconds,
      maxTtlSeconds,
      renewable,
      internal: internal as Readonly<Record<string, unknown>>,
    }),
  });
}
