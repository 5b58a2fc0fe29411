import { createReadStream, createWriteStream, readFileSync, readdirSync, statSync } from 'node:fs';
import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import type { ClientRequest, IncomingMessage, RequestOptions } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { ConnectionError } from './api-error.ts';
import type { ApiRequest, ClientSettings, RawAnswer } from './client.ts';

const httpAgent = new HttpAgent({ keepAlive: true });
const httpsAgent = new HttpsAgent({ keepAlive: true });

/**
 * Sends a request once, without following and without trying again.
 *
 * @throws ConnectionError if no whole answer came in time; system errors if a file of the request or of TLS is missing
 */
export async function transmit(
  settings: ClientSettings,
  request: ApiRequest,
  url: string,
  headers: Record<string, string | string[]>,
): Promise<RawAnswer> {
  const target = new URL(url);
  const secure = target.protocol === 'https:';
  const payload = request.body === undefined ? undefined : Buffer.from(JSON.stringify(request.body));
  const length = request.bodyFile === undefined ? payload?.length : statSync(request.bodyFile).size;
  const options: RequestOptions = {
    method: request.method,
    headers: { ...headers, ...(length === undefined ? {} : { 'Content-Length': String(length) }) },
    agent: agentFor(settings, secure),
    ...(secure ? tlsOptions(settings) : {}),
    ...(settings.address.startsWith('unix://') ? { socketPath: settings.address.slice('unix://'.length) } : {}),
  };
  const outgoing = (secure ? httpsRequest : httpRequest)(target, options);
  const stopWaiting = limitTime(outgoing, request, patience(settings.timeoutMs, request.timeoutMsMin));
  try {
    const [response] = await Promise.all([responseTo(outgoing), sendBody(outgoing, request, payload)]);
    return await receive(response, request);
  } catch (error) {
    outgoing.destroy();
    if (isOwnFile(error)) throw error;
    throw new ConnectionError(connectionText(request.method, url, error), { cause: error });
  } finally {
    stopWaiting();
  }
}

/** Through a proxy, if there is one. @throws ConnectionError for a proxy that is no URL */
function agentFor({ proxy }: ClientSettings, secure: boolean): HttpAgent {
  if (!proxy) return secure ? httpsAgent : httpAgent;
  for (const name of ['HTTP_PROXY', 'HTTPS_PROXY'])
    if (proxy[name] !== undefined && !URL.canParse(proxy[name]))
      throw new ConnectionError(`proxyconnect tcp: invalid address "${proxy[name]}"`);
  const options = { proxyEnv: proxy };
  return secure ? new HttpsAgent(options) : new HttpAgent(options);
}

function responseTo(outgoing: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    outgoing.once('response', resolve);
    outgoing.on('error', reject);
  });
}

async function sendBody(outgoing: ClientRequest, request: ApiRequest, payload: Buffer | undefined): Promise<void> {
  if (request.bodyFile === undefined) {
    outgoing.end(payload);
    return;
  }
  await pipeline(createReadStream(request.bodyFile), outgoing);
}

async function receive(response: IncomingMessage, request: ApiRequest): Promise<RawAnswer> {
  const status = response.statusCode ?? 0;
  if (request.answerFile !== undefined && status < 300) {
    await pipeline(response, createWriteStream(request.answerFile, { mode: 0o600, flags: 'w' }));
    return { status, headers: response.headers, body: Buffer.alloc(0) };
  }
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return { status, headers: response.headers, body: Buffer.concat(chunks) };
}

/** 0 waits for ever. */
const patience = (settingMs: number, leastMs = 0): number => (settingMs <= 0 ? 0 : Math.max(settingMs, leastMs));

/** A request takes so long at most; one that moves a file is only never silent for so long. @returns ends the limit */
function limitTime(outgoing: ClientRequest, request: ApiRequest, timeoutMs: number): () => void {
  const expire = (): void => void outgoing.destroy(new Error('context deadline exceeded'));
  if (timeoutMs <= 0) return () => undefined;
  if (request.bodyFile !== undefined || request.answerFile !== undefined) {
    outgoing.setTimeout(timeoutMs, expire);
    return () => void outgoing.setTimeout(0);
  }
  const timer = setTimeout(expire, timeoutMs);
  return () => clearTimeout(timer);
}

interface TlsOptions {
  readonly rejectUnauthorized: boolean;
  readonly ca?: string | string[];
  readonly cert?: string;
  readonly key?: string;
  readonly servername?: string;
}

function tlsOptions(settings: ClientSettings): TlsOptions {
  const { caCertPem, caCertFile, caPath, clientCertFile, clientKeyFile, tlsServerName, skipVerify } = settings;
  const ca = caCertPem ?? (caCertFile ? readFileSync(caCertFile, 'utf8') : caPath ? folderOfPem(caPath) : undefined);
  return {
    rejectUnauthorized: !skipVerify,
    ...(ca === undefined ? {} : { ca }),
    ...(clientCertFile ? { cert: readFileSync(clientCertFile, 'utf8') } : {}),
    ...(clientKeyFile ? { key: readFileSync(clientKeyFile, 'utf8') } : {}),
    ...(tlsServerName ? { servername: tlsServerName } : {}),
  };
}

function folderOfPem(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => readFileSync(join(folder, entry.name), 'utf8'));
}

/** What system errors tell; of whatever realm they are, since `instanceof` knows those of one only. */
interface Failure {
  readonly message?: string;
  readonly code?: string;
  readonly path?: string;
  readonly syscall?: string;
  readonly address?: string;
  readonly port?: number;
  readonly errors?: readonly unknown[];
}

const isFailure = (error: unknown): error is Failure => typeof error === 'object' && error !== null;

/** Whether a file of the caller could not be used; that is no fault of the connection. */
function isOwnFile(error: unknown): boolean {
  return isFailure(error) && error.path !== undefined && error.syscall !== 'connect';
}

/** Whether another attempt may end otherwise: not where the certificates do not fit. */
export function isRetriable(error: ConnectionError): boolean {
  const { cause } = error;
  const code = isFailure(cause) ? (cause.code ?? '') : '';
  return cause !== undefined && !/^ERR_(SSL|TLS|INVALID)|CERT|UNABLE_TO|EPROTO/.test(code);
}

/** As Go's client says it. */
function connectionText(method: string, url: string, error: unknown): string {
  const verb = method[0] + method.slice(1).toLowerCase();
  return `${verb} "${url}": ${reasonOf(error)}`;
}

function reasonOf(error: unknown): string {
  if (!isFailure(error)) return String(error);
  // Node tries all addresses of a name; the first failure tells as much as all.
  const [one = error] = error.errors ?? [];
  const first = isFailure(one) ? one : error;
  const { code, address, port, message } = first;
  switch (code) {
    case 'ECONNREFUSED':
      return `dial tcp ${address ?? ''}${port === undefined ? '' : `:${String(port)}`}: connect: connection refused`;
    case 'EPROTO':
      return /wrong version number|packet length too long/.test(message ?? '')
        ? 'http: server gave HTTP response to HTTPS client'
        : `tls: ${message ?? code}`;
    case 'ERR_SSL_WRONG_VERSION_NUMBER':
    case 'ERR_SSL_PACKET_LENGTH_TOO_LONG':
      return 'http: server gave HTTP response to HTTPS client';
    case 'ERR_STREAM_PREMATURE_CLOSE':
    case 'ECONNRESET':
      return 'the connection was closed before the whole answer came';
    default:
      return message || code || 'unknown failure';
  }
}
