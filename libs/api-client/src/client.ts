import type { IncomingMessage } from 'node:http';
import { posix } from 'node:path';
import { ApiError, ConnectionError } from './api-error.ts';
import type { ApiResponse } from './api-error.ts';
import { parseExactJson } from './exact-json.ts';
import { isRetriable, transmit } from './transmit.ts';

/** How a client reaches its server. */
export interface ClientSettings {
  /** `http://127.0.0.1:8200`, or `unix:///run/agent.sock`. */
  readonly address: string;
  readonly token: string | undefined;
  readonly namespace: string | undefined;
  /** As the client wrote it: "60s", "60". */
  readonly wrapTtl: string | undefined;
  readonly caCertFile: string | undefined;
  /** A folder of PEM files, all of them trusted. */
  readonly caPath?: string | undefined;
  /** PEM; before the file and the folder. */
  readonly caCertPem?: string | undefined;
  readonly clientCertFile: string | undefined;
  readonly clientKeyFile: string | undefined;
  readonly tlsServerName: string | undefined;
  /** Proxies by the names that the environment has for them: `HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY`. */
  readonly proxy?: Readonly<Record<string, string>> | undefined;
  readonly skipVerify: boolean;
  readonly timeoutMs: number;
  /** How often a failed request is tried again (412, 5xx except 501, and no connection). */
  readonly retriesMax: number;
  readonly headers: readonly (readonly [string, string])[];
  /** Credentials of second factors, `method:code`, one a header. */
  readonly mfa?: readonly string[];
  readonly policyOverride?: boolean;
  /** Answers of 3xx are errors. */
  readonly disableRedirects?: boolean;
}

/** What is sent. */
export interface ApiRequest {
  readonly method: 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE' | 'HEAD' | 'LIST' | 'SCAN';
  /** Below `/v1/`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: unknown;
  readonly token?: string;
  /** Instead of the setting; `''` for none. */
  readonly wrapTtl?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** A file whose bytes are the body; the time limit is then one of silence. */
  readonly bodyFile?: string;
  /** At least so long is waited, whatever the setting says, in milliseconds. */
  readonly timeoutMsMin?: number;
  /** A file for the body of an answer below 300; the time limit is then one of silence. */
  readonly answerFile?: string;
}

export interface RawAnswer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

const REDIRECTS_MAX = 1;
const RETRY_WAIT_MS_MIN = 1000;
const RETRY_WAIT_MS_MAX = 1500;
/** Vault's clients wrap these for five minutes if nothing else is asked for. */
const WRAPPED_BY_DEFAULT = 'sys/wrapping/wrap';

/** A client of the HTTP API; connections are kept for the next request, but keep no process alive. */
export class ApiClient {
  readonly settings: ClientSettings;

  constructor(settings: ClientSettings) {
    this.settings = settings;
  }

  /** The URL of a request, as error texts and `-output-curl-string` show it. */
  url(request: ApiRequest): string {
    // Vault's clients take `.`, `..` and empty parts out of a path, and a slash at its end
    const path = posix.join('/', request.path).replace(/^\/|\/$/g, '');
    const encoded = path.split('/').map(encodeSegment).join('/');
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(request.query ?? {}))
      for (const item of typeof value === 'string' ? [value] : value) query.append(name, item);
    const text = query.toString();
    const address = this.settings.address.startsWith('unix://') ? 'http://localhost' : this.settings.address;
    return `${address.replace(/\/+$/, '')}/v1/${encoded}${text === '' ? '' : `?${text}`}`;
  }

  /** The headers of a request; the token among them. */
  headers(request: ApiRequest): Record<string, string | string[]> {
    const { token, namespace, wrapTtl, headers, mfa, policyOverride } = this.settings;
    const bearer = request.token ?? token;
    const byDefault = request.path.replace(/^\/+|\/+$/g, '') === WRAPPED_BY_DEFAULT ? '5m' : undefined;
    const wrap = request.wrapTtl ?? wrapTtl ?? byDefault;
    return {
      'X-Vault-Request': 'true',
      ...(bearer ? { 'X-Vault-Token': inBytes(bearer) } : {}),
      ...(namespace ? { 'X-Vault-Namespace': namespace } : {}),
      ...(wrap ? { 'X-Vault-Wrap-Ttl': wrap } : {}),
      ...(mfa && mfa.length > 0 ? { 'X-Vault-MFA': [...mfa] } : {}),
      ...(policyOverride ? { 'X-Vault-Policy-Override': 'true' } : {}),
      ...(request.method === 'PATCH' ? { 'Content-Type': 'application/merge-patch+json' } : {}),
      ...Object.fromEntries(headers),
      ...request.headers,
    };
  }

  /**
   * @returns undefined for an answer without a body
   * @throws ApiError for a status of 400 or more, ConnectionError
   */
  async send(request: ApiRequest): Promise<ApiResponse | undefined> {
    const answer = await this.sendRaw(request);
    if (refused(request, answer.status)) throw this.#failure(request, answer);
    const text = answer.body.toString('utf8');
    return text.trim() === '' ? undefined : parseBody(text);
  }

  /** As `send`, for bodies that are no JSON. @throws ApiError, ConnectionError */
  async transfer(request: ApiRequest): Promise<RawAnswer> {
    const answer = await this.sendRaw(request);
    if (refused(request, answer.status)) throw this.#failure(request, answer);
    return answer;
  }

  /** The answer as it came, whatever its status. @throws ConnectionError */
  async sendRaw(request: ApiRequest): Promise<RawAnswer> {
    if (/[^\u0020-\u007e\u00a1-\uffff]/.test(request.token ?? this.settings.token ?? ''))
      throw new ConnectionError('configured Vault token contains non-printable characters and cannot be used');
    for (let attempt = 0; ; attempt++) {
      try {
        const answer = await this.#follow(request);
        const again = answer.status === 412 || (answer.status >= 500 && answer.status !== 501);
        if (!again || attempt >= this.settings.retriesMax) return answer;
      } catch (error) {
        if (!(error instanceof ConnectionError) || !isRetriable(error) || attempt >= this.settings.retriesMax)
          throw error;
      }
      await new Promise((resolve) =>
        setTimeout(resolve, Math.min(RETRY_WAIT_MS_MIN * 2 ** attempt, RETRY_WAIT_MS_MAX)),
      );
    }
  }

  #failure(request: ApiRequest, answer: RawAnswer): ApiError {
    const text = answer.body.toString('utf8');
    const parsed = text.trim() === '' ? undefined : parseBody(text);
    return new ApiError(
      {
        method: request.method,
        url: this.url(request),
        status: answer.status,
        namespace: this.settings.namespace,
      },
      parsed ? (Array.isArray(parsed.errors) ? parsed.errors.map(String) : []) : text.trim(),
      parsed,
    );
  }

  async #follow(request: ApiRequest): Promise<RawAnswer> {
    let url = this.url(request);
    for (let hop = 0; ; hop++) {
      const answer = await transmit(this.settings, request, url, this.headers(request));
      const { location } = answer.headers;
      if (![301, 302, 307, 308].includes(answer.status) || location === undefined) return answer;
      if (this.settings.disableRedirects || hop >= REDIRECTS_MAX) return answer;
      const next = new URL(location, url);
      if (url.startsWith('https:') && next.protocol !== 'https:')
        throw new ConnectionError('redirect would cause protocol downgrade');
      url = next.href;
    }
  }
}

/** 429 is how a healthy standby answers about its health, and a refusal elsewhere. */
const refused = (request: ApiRequest, status: number): boolean =>
  status >= 400 && !(status === 429 && request.path.replace(/^\/+|\/+$/g, '') === 'sys/health');

/** Header values are bytes; a text beyond ASCII goes as UTF-8. */
const inBytes = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');

/** Escapes what Go's clients escape in a path; the rest stays readable. */
function encodeSegment(segment: string): string {
  return encodeURIComponent(segment).replaceAll(/%(?:24|26|2B|2C|3A|3B|3D|40)/g, decodeURIComponent);
}

function parseBody(text: string): ApiResponse | undefined {
  try {
    const value = parseExactJson(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as ApiResponse) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
