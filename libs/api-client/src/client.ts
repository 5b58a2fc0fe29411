import { readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import type { IncomingMessage, RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { ApiError, ConnectionError } from './api-error.ts';
import type { ApiResponse } from './api-error.ts';
import { parseExactJson } from './exact-json.ts';

/** How a client reaches its server. */
export interface ClientSettings {
  /** `http://127.0.0.1:8200` */
  readonly address: string;
  readonly token: string | undefined;
  readonly namespace: string | undefined;
  /** As the client wrote it: "60s", "60". */
  readonly wrapTtl: string | undefined;
  readonly caCertFile: string | undefined;
  readonly clientCertFile: string | undefined;
  readonly clientKeyFile: string | undefined;
  readonly tlsServerName: string | undefined;
  readonly skipVerify: boolean;
  readonly timeoutMs: number;
  /** How often a failed request is tried again (5xx and no connection). */
  readonly retriesMax: number;
  readonly headers: readonly (readonly [string, string])[];
}

/** What is sent. */
export interface ApiRequest {
  readonly method: 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE' | 'HEAD' | 'LIST' | 'SCAN';
  /** Below `/v1/`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: unknown;
  readonly token?: string;
  readonly wrapTtl?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Send and answer bytes as they are. */
  readonly rawBody?: Uint8Array;
}

export interface RawAnswer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

const REDIRECTS_MAX = 1;
const RETRY_WAIT_MS = 1000;

/** A client of the HTTP API. One for a run of the program; keeps no connection open at its end. */
export class ApiClient {
  readonly settings: ClientSettings;

  constructor(settings: ClientSettings) {
    this.settings = settings;
  }

  /** The URL of a request, as error texts and `-output-curl-string` show it. */
  url(request: ApiRequest): string {
    const path = request.path.replace(/^\/+/, '');
    const encoded = path
      .split('/')
      .map((part) => encodeURIComponent(part).replaceAll('%3A', ':').replaceAll('%40', '@'))
      .join('/');
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(request.query ?? {}))
      for (const item of typeof value === 'string' ? [value] : value) query.append(name, item);
    const text = query.toString();
    return `${this.settings.address.replace(/\/+$/, '')}/v1/${encoded}${text === '' ? '' : `?${text}`}`;
  }

  /** The headers of a request; the token among them. */
  headers(request: ApiRequest): Record<string, string> {
    const { token, namespace, wrapTtl, headers } = this.settings;
    const bearer = request.token ?? token;
    const wrap = request.wrapTtl ?? wrapTtl;
    return {
      'X-Vault-Request': 'true',
      ...(bearer ? { 'X-Vault-Token': bearer } : {}),
      ...(namespace ? { 'X-Vault-Namespace': namespace } : {}),
      ...(wrap ? { 'X-Vault-Wrap-Ttl': wrap } : {}),
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
    const text = answer.body.toString('utf8');
    const parsed = text.trim() === '' ? undefined : parseBody(text);
    if (answer.status >= 400) {
      const errors =
        parsed && Array.isArray(parsed.errors)
          ? parsed.errors.map(String)
          : parsed === undefined && text.trim() !== ''
            ? [text.trim()]
            : [];
      throw new ApiError(request.method, this.url(request), answer.status, errors, parsed);
    }
    return parsed;
  }

  /** The answer as it came. @throws ConnectionError */
  async sendRaw(request: ApiRequest): Promise<RawAnswer> {
    for (let attempt = 0; ; attempt++) {
      try {
        const answer = await this.#follow(request);
        const again = answer.status === 412 || (answer.status >= 500 && answer.status !== 501);
        if (!again || attempt >= this.settings.retriesMax) return answer;
      } catch (error) {
        if (!(error instanceof ConnectionError) || attempt >= this.settings.retriesMax) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, Math.min(RETRY_WAIT_MS * 2 ** attempt, 1500)));
    }
  }

  async #follow(request: ApiRequest): Promise<RawAnswer> {
    let url = this.url(request);
    for (let hop = 0; ; hop++) {
      const answer = await this.#once(request, url);
      const { location } = answer.headers;
      if (![301, 302, 307, 308].includes(answer.status) || location === undefined || hop >= REDIRECTS_MAX)
        return answer;
      const next = new URL(location, url);
      if (url.startsWith('https:') && next.protocol !== 'https:')
        throw new ConnectionError('redirect would cause protocol downgrade');
      url = next.href;
    }
  }

  #once(request: ApiRequest, url: string): Promise<RawAnswer> {
    const { settings } = this;
    const payload =
      request.rawBody ?? (request.body === undefined ? undefined : Buffer.from(JSON.stringify(request.body)));
    const target = new URL(url);
    const options: RequestOptions & {
      readonly rejectUnauthorized?: boolean;
      readonly ca?: string;
      readonly cert?: string;
      readonly key?: string;
      readonly servername?: string;
    } = {
      method: request.method,
      headers: { ...this.headers(request), ...(payload ? { 'Content-Length': String(payload.length) } : {}) },
      timeout: settings.timeoutMs,
      ...(target.protocol === 'https:' ? this.#tls() : {}),
    };
    return new Promise((resolve, reject) => {
      const fail = (error: Error): void =>
        reject(new ConnectionError(connectionText(request.method, url, error), { cause: error }));
      const outgoing = (target.protocol === 'https:' ? httpsRequest : httpRequest)(target, options, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }),
        );
        response.on('error', fail);
      });
      outgoing.on('timeout', () => outgoing.destroy(new Error('context deadline exceeded')));
      outgoing.on('error', fail);
      outgoing.end(payload);
    });
  }

  #tls(): Record<string, unknown> {
    const { caCertFile, clientCertFile, clientKeyFile, tlsServerName, skipVerify } = this.settings;
    return {
      rejectUnauthorized: !skipVerify,
      ...(caCertFile ? { ca: readFileSync(caCertFile, 'utf8') } : {}),
      ...(clientCertFile ? { cert: readFileSync(clientCertFile, 'utf8') } : {}),
      ...(clientKeyFile ? { key: readFileSync(clientKeyFile, 'utf8') } : {}),
      ...(tlsServerName ? { servername: tlsServerName } : {}),
    };
  }
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

/** As Go's client says it. */
function connectionText(method: string, url: string, error: Error): string {
  const verb = method[0] + method.slice(1).toLowerCase();
  const { code, address, port } = error as NodeJS.ErrnoException & {
    readonly address?: string;
    readonly port?: number;
  };
  const reason =
    code === 'ECONNREFUSED'
      ? `dial tcp ${address ?? ''}:${String(port ?? '')}: connect: connection refused`
      : error.message || String(code);
  return `${verb} "${url}": ${reason}`;
}
