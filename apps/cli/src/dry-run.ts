import { ApiClient } from '@coffer/api-client';
import type { ApiRequest, RawAnswer } from '@coffer/api-client';

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

  override sendRaw(request: ApiRequest): Promise<RawAnswer> {
    return Promise.reject(new DryRun(this.#kind === 'curl' ? this.#curl(request) : policyFor(request)));
  }

  #curl(request: ApiRequest): string {
    const { settings } = this;
    const parts = ['curl'];
    if (settings.skipVerify) parts.push('--insecure');
    if (request.method !== 'GET') parts.push(`-X ${request.method}`);
    for (const [option, file] of [
      ['--cacert', settings.caCertFile ?? (settings.caCertPem ? 'passed-in-memory' : undefined)],
      ['--capath', settings.caPath],
      ['--cert', settings.clientCertFile],
      ['--key', settings.clientKeyFile],
    ] as const)
      if (file) parts.push(`${option} '${inQuotes(file)}'`);
    for (const [name, value] of Object.entries(this.headers(request)))
      for (const item of typeof value === 'string' ? [value] : value)
        parts.push(`-H "${canonical(name)}: ${name === 'X-Vault-Token' ? `$(${this.#program} print token)` : item}"`);
    if (request.body !== undefined) parts.push(`-d '${inQuotes(goJson(request.body))}'`);
    parts.push(JSON.stringify(this.url(request)));
    return parts.join(' ');
  }
}

const inQuotes = (text: string): string => text.replaceAll("'", `'"'"'`);

/** As Go writes JSON: safe within HTML. */
const goJson = (value: unknown): string =>
  JSON.stringify(value).replaceAll(
    /[<>&\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

/** As Go writes the name of a header: "X-Vault-Mfa". */
const canonical = (name: string): string =>
  name.toLowerCase().replaceAll(/(^|-)[a-z]/g, (start) => start.toUpperCase());

/** Paths whose policies need sudo, as far as they can be told without asking the server. */
const SUDO = [
  /^auth\/token\/accessors$/,
  /^pki\/root(\/sign-self-issued)?$/,
  /^sys\/audit(\/.+)?$/,
  /^sys\/auth\/.+$/,
  /^sys\/config\/(auditing\/request-headers(\/.+)?|cors|ui\/headers(\/.+)?)$/,
  /^sys\/internal\/inspect\/(request$|router\/.+)/,
  /^sys\/leases(\/lookup(\/.+)?|\/revoke-(force|prefix)\/.+)?$/,
  /^sys\/plugins\/catalog\/[^/]+(\/[^/]+)?$/,
  /^sys\/raw(\/.+)?$/,
  /^sys\/remount$/,
  /^sys\/revoke-(force|prefix)\/.+$/,
  /^sys\/rotate(\/keyring|\/root)?$/,
];

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
  const all = SUDO.some((pattern) => pattern.test(path)) ? [...capabilities, 'sudo'] : capabilities;
  return `path "${path}" {\n  capabilities = [${all.map((name) => `"${name}"`).join(', ')}]\n}`;
}
