import { ApiClient } from '@coffer/api-client';
import type { ApiRequest, ApiResponse, RawAnswer } from '@coffer/api-client';

/** Instead of sending: what would be sent. */
export class DryRun extends Error {
  override readonly name = 'DryRun';
  readonly text: string;

  constructor(text: string) {
    super('dry run');
    this.text = text;
  }
}

/** A client for `-output-curl-string` and `-output-policy`. */
export class DryClient extends ApiClient {
  readonly #kind: 'curl' | 'policy';
  readonly #program: string;

  constructor(inner: ApiClient, kind: 'curl' | 'policy', program: string) {
    super(inner.settings);
    this.#kind = kind;
    this.#program = program;
  }

  override send(request: ApiRequest): Promise<ApiResponse | undefined> {
    return Promise.reject(new DryRun(this.#kind === 'curl' ? this.#curl(request) : policyFor(request)));
  }

  override sendRaw(request: ApiRequest): Promise<RawAnswer> {
    return Promise.reject(new DryRun(this.#kind === 'curl' ? this.#curl(request) : policyFor(request)));
  }

  #curl(request: ApiRequest): string {
    const headers = { ...this.headers(request), 'X-Vault-Token': `$(${this.#program} print token)` };
    const parts = ['curl'];
    if (request.method !== 'GET') parts.push(`-X ${request.method}`);
    for (const [name, value] of Object.entries(headers)) parts.push(`-H "${name}: ${value}"`);
    if (request.body !== undefined) parts.push(`-d '${JSON.stringify(request.body).replaceAll("'", `'"'"'`)}'`);
    parts.push(`"${this.url(request)}"`);
    return parts.join(' ');
  }
}

/** Paths that need sudo; enough for an example. */
const SUDO =
  /^sys\/(auth|audit|seal|step-down|raw|remount|rotate|config\/auditing|leases\/(revoke-prefix|revoke-force|lookup\/))(\/|$)/;

function policyFor(request: ApiRequest): string {
  const path = request.path.replace(/^\/+/, '').replace(/\/+$/, '');
  const listing = request.query?.list === 'true' || request.method === 'LIST';
  const capabilities = listing
    ? ['list']
    : (
        {
          GET: ['read'],
          HEAD: ['read'],
          DELETE: ['delete'],
          PATCH: ['patch'],
          PUT: ['create', 'update'],
          POST: ['create', 'update'],
          LIST: ['list'],
          SCAN: ['scan'],
        } as const
      )[request.method];
  const all = SUDO.test(path) ? [...capabilities, 'sudo'] : capabilities;
  return `path "${path}" {\n  capabilities = [${all.map((name) => `"${name}"`).join(', ')}]\n}`;
}
