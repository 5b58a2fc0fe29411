import type { Secret } from '@coffer/kernel';

/**
 * What is asked for. `create` is an `update` of something that does not exist, told apart by the path's `exists`.
 * `scan` is a recursive `list`. `head` asks whether a read would go well; no path declares it.
 */
export const OPERATIONS = ['read', 'create', 'update', 'patch', 'delete', 'list', 'scan', 'help', 'head'] as const;
export type Operation = (typeof OPERATIONS)[number];

/** A namespace. `path` is '' for the root, otherwise ends with `/`. */
export interface NamespaceRef {
  readonly id: string;
  readonly path: string;
}

export const ROOT_NAMESPACE: NamespaceRef = { id: 'root', path: '' };

/**
 * Endpoints that ask for no token, where knowing enough shares of the unseal key is the proof: closed unless a listener opens
 * them, since whoever reaches the API could otherwise disturb an attempt.
 */
export type ListenerOpening = 'unauthenticated-rekey' | 'unauthenticated-generate-root';

/** Where a request came from. */
export interface Connection {
  /** The client's address, after trusted proxies were looked through; no port. */
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** Of a TLS connection, the client's certificates in DER, its own first; empty if it sent none. */
  readonly clientCertificates?: readonly Uint8Array[];
  /** What the listener that took the request opens beyond the usual; nothing if left out. */
  readonly opens?: readonly ListenerOpening[];
}

/** Header names are in lower case. The client's token is never among them. */
export type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

/** JSON as the client sent it, with null prototypes; numbers that JavaScript cannot hold exactly are `JSON.rawJSON`. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** The signal of a request that nobody cancels. Known by its identity, so that nobody need listen to it. */
export const NEVER_ABORTED: AbortSignal = new AbortController().signal;
/** A body while it comes in. */
export interface BodyStream extends AsyncIterable<Uint8Array> {
  /** Whether something of it was read: then nobody else can have it. */
  readonly begun: boolean;
}

/** One request. Immutable; knows nothing of HTTP, so that forwarding and tests use the same. */
export interface Request {
  /** A UUID; `request_id` of the answer. */
  readonly id: string;
  readonly operation: Operation;
  readonly namespace: NamespaceRef;
  /** Within the namespace, without a leading slash, decoded once: `secret/data/app`. Policy and router see this very text. */
  readonly path: string;
  /** Fields of the body and, for `read`, `list`, `scan` and `delete`, of the query. */
  readonly data: JsonObject;
  readonly token?: Secret<string>;
  /** Seconds for which the answer is to be wrapped, if so asked. */
  readonly wrapTtlSeconds?: number;
  readonly wrapFormat?: 'jwt';
  readonly headers: Headers;
  readonly connection: Connection;
  /** The body as it came, for paths that declare `rawBody`. */
  readonly rawBody?: Uint8Array;
  /** The body while it comes in, for paths that declare `streamedBody`; it can be read once. */
  readonly bodyStream?: BodyStream;
  /** When the request is given up, in milliseconds by the monotonic clock. */
  readonly deadlineMs: number;
  /** Aborted when the client goes away or the deadline passes. */
  readonly signal: AbortSignal;
  /** The client asked to be served by this node or refused (`X-Vault-No-Request-Forwarding`). */
  readonly noForwarding: boolean;
  /** The client accepts state that may be old (skips the read barrier). */
  readonly allowStale: boolean;
  /** What an earlier write was answered with (`X-Vault-Index`): the state to be read must hold that write. */
  readonly requiredState?: string;
  /** What to do at once where the state here lacks it (`X-Vault-Inconsistent`); undefined: wait for it. */
  readonly whenBehind?: 'fail' | 'forward';
  /** The client wants the active node's answer (`X-Vault-Forward: active-node`). */
  readonly toActive?: boolean;
}
