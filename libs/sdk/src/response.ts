import type { LoginAuth, TokenAuth } from './login.ts';
import type { SecretGrant } from './secret-type.ts';

/** An answer in the protocol's own form: no envelope. */
export interface RawResponse {
  readonly status: number;
  readonly contentType: string;
  /** What is streamed is sent piece by piece, no faster than it is taken; a failure breaks the connection off. */
  readonly body: Uint8Array | string | AsyncIterable<Uint8Array>;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Whether a body comes piece by piece. */
export const isStreamed = (body: RawResponse['body'] | undefined): body is AsyncIterable<Uint8Array> =>
  typeof body === 'object' && Symbol.asyncIterator in body;

/** Set by the wrapping service: stands for the answer that it keeps. */
export interface WrapInfo {
  readonly token: string;
  readonly accessor: string;
  readonly ttlSeconds: number;
  /** RFC 3339 with nanoseconds, UTC. */
  readonly creationTime: string;
  readonly creationPath: string;
  readonly wrappedAccessor?: string;
}

/** What a handler answers. `undefined` in its place: 404 for read and list, 204 for the rest. */
export interface Response {
  readonly data?: Readonly<Record<string, unknown>>;
  /** Log the caller in: the pipeline makes the token. */
  readonly login?: LoginAuth;
  /** A token made already (by the token store itself). */
  readonly auth?: TokenAuth;
  /** Lease what `data` holds: the pipeline registers the lease. */
  readonly secret?: SecretGrant;
  /** A lease as renewed or looked up. */
  readonly lease?: { readonly id: string; readonly durationSeconds: number; readonly renewable: boolean };
  readonly wrapInfo?: WrapInfo;
  readonly warnings?: readonly string[];
  /** The accessor of what `data` holds, told with the wrapping token if the answer is wrapped. */
  readonly wrappedAccessor?: string;
  /** A status other than the usual one for the operation (404 with `data` for a deleted version, 202 …). */
  readonly status?: number;
  /** Older `sys/` endpoints show the members of `data` beside it, too. */
  readonly alsoAtTopLevel?: boolean;
  /** Only `data` is sent, without the envelope (`sys/health`, `sys/seal-status`, …). */
  readonly bare?: boolean;
  readonly headers?: Readonly<Record<string, string>>;
  readonly redirect?: string;
  readonly raw?: RawResponse;
  /**
   * Work with effects outside of the store, done once, after what the handler wrote was committed: handlers may run more
   * than once. Its answer takes the place of this one.
   */
  readonly afterCommit?: () => Promise<Response | undefined>;
}
