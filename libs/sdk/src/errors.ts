/** Every error that a client can see: its status and the text used where the thrower gives none. */
export const ERRORS = {
  'bad-request': { status: 400, text: 'invalid request' },
  /** A login with a wrong name, password or secret: counts for lockout; the same answer for all three. */
  'invalid-credentials': { status: 400, text: 'invalid username or password' },
  'unsupported-path': { status: 404, text: 'unsupported path' },
  'unsupported-operation': { status: 405, text: 'unsupported operation' },
  'missing-token': { status: 403, text: 'permission denied' },
  'permission-denied': { status: 403, text: 'permission denied' },
  'invalid-token': { status: 403, text: 'permission denied' },
  'not-found': { status: 404, text: '' },
  'no-route': { status: 404, text: 'no handler for route' },
  'request-timeout': { status: 408, text: 'the request took too long to arrive' },
  'precondition-failed': { status: 412, text: 'precondition failed' },
  'too-large': { status: 413, text: 'request body too large' },
  'unsupported-media-type': { status: 415, text: 'unsupported content type' },
  'quota-exceeded': { status: 429, text: 'request path: rate limit quota exceeded' },
  'lease-quota-exceeded': { status: 429, text: 'request path: lease count quota exceeded' },
  internal: { status: 500, text: 'internal error' },
  'audit-failed': { status: 500, text: 'no audit device accepted the request' },
  'not-initialized': { status: 400, text: 'Vault is not initialized' },
  sealed: { status: 503, text: 'Vault is sealed' },
  standby: { status: 503, text: 'no active node can serve the request' },
  'in-doubt': {
    status: 503,
    text: 'the outcome of the request is unknown: the active node was lost while it was written',
  },
  'gateway-timeout': { status: 504, text: 'deadline exceeded' },
} as const satisfies Record<string, { readonly status: number; readonly text: string }>;

export type ErrorCode = keyof typeof ERRORS;

/**
 * A failure that the client is told. `clientText` crosses the wire; `cause` is for the operator's log alone.
 */
export class RequestError extends Error {
  override readonly name = 'RequestError';
  readonly code: ErrorCode;
  readonly status: number;
  /** The lines of `errors` in the answer; empty for a plain 404. */
  readonly clientTexts: readonly string[];
  /** Shown beside `errors` where Vault does so (a 404 with warnings or data). */
  readonly data?: Readonly<Record<string, unknown>>;
  /** Seconds for a `Retry-After` header. */
  readonly retryAfterSeconds?: number;

  constructor(
    code: ErrorCode,
    clientText: string | readonly string[] = ERRORS[code].text,
    options: {
      readonly cause?: unknown;
      readonly data?: Readonly<Record<string, unknown>>;
      readonly retryAfterSeconds?: number;
    } = {},
  ) {
    const texts = typeof clientText === 'string' ? (clientText === '' ? [] : [clientText]) : clientText;
    super(texts.join('; ') || code, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.status = ERRORS[code].status;
    this.clientTexts = texts;
    if (options.data !== undefined) this.data = options.data;
    if (options.retryAfterSeconds !== undefined) this.retryAfterSeconds = options.retryAfterSeconds;
  }
}

/** The commonest: the request is at fault, and the text says which field and what was expected. */
export function badRequest(clientText: string): RequestError {
  return new RequestError('bad-request', clientText);
}
