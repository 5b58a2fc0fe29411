/** The request that was refused. */
export interface RefusedRequest {
  readonly method: string;
  readonly url: string;
  readonly status: number;
  readonly namespace?: string | undefined;
}

/** The server answered with an error. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly method: string;
  readonly url: string;
  readonly status: number;
  readonly errors: readonly string[];
  /** The whole answer, where it carries more than errors (`data` of a deleted version, warnings). */
  readonly body: ApiResponse | undefined;

  /** @param errors the server's errors, or the whole answer where it was no JSON */
  constructor(request: RefusedRequest, errors: readonly string[] | string, body: ApiResponse | undefined) {
    super(describe(request, errors));
    this.method = request.method;
    this.url = request.url;
    this.status = request.status;
    this.errors = typeof errors === 'string' ? (errors === '' ? [] : [errors]) : errors;
    this.body = body;
  }
}

/** In the form that Vault's clients print. */
function describe({ method, url, status, namespace }: RefusedRequest, errors: readonly string[] | string): string {
  const where = namespace ? `Namespace: ${namespace}\n` : '';
  const raw = typeof errors === 'string';
  const lines = raw ? errors : errors.map((error) => `* ${error}`).join('\n');
  return `Error making API request.\n\n${where}URL: ${method} ${url}\nCode: ${String(status)}. ${raw ? 'Raw Message' : 'Errors'}:\n\n${lines}`;
}

/** The server could not be asked. */
export class ConnectionError extends Error {
  override readonly name = 'ConnectionError';
}

/** An answer in Vault's envelope; endpoints without an envelope are as they are. */
export interface ApiResponse {
  readonly request_id?: string;
  readonly lease_id?: string;
  readonly lease_duration?: number;
  readonly renewable?: boolean;
  readonly data?: Readonly<Record<string, unknown>> | null;
  readonly warnings?: readonly string[] | null;
  readonly auth?: ApiAuth | null;
  readonly wrap_info?: ApiWrapInfo | null;
  readonly [name: string]: unknown;
}

export interface ApiAuth {
  readonly client_token: string;
  readonly accessor: string;
  readonly policies: readonly string[] | null;
  readonly token_policies: readonly string[] | null;
  readonly identity_policies?: readonly string[] | null;
  readonly metadata: Readonly<Record<string, string>> | null;
  readonly lease_duration: number;
  readonly renewable: boolean;
  readonly entity_id: string;
  readonly orphan: boolean;
  readonly mfa_requirement: unknown;
}

export interface ApiWrapInfo {
  readonly token: string;
  readonly accessor: string;
  readonly ttl: number;
  readonly creation_time: string;
  readonly creation_path: string;
  readonly wrapped_accessor?: string;
}
