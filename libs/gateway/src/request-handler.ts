import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { AssertionFailure, Secret, isPromise } from '@coffer/kernel';
import type { Clock, Log, MaybePromise, Random } from '@coffer/kernel';
import { NEVER_ABORTED, RequestError, badRequest, isStreamed } from '@coffer/sdk';
import type { Connection, Operation, Request } from '@coffer/sdk';
import type { Namespaces } from '@coffer/core-api';
import { render } from '@coffer/core-pipeline';
import type { Pipeline, Rendered } from '@coffer/core-pipeline';
import { BodyBudget } from './body-budget.ts';
import { clientAddress } from './client-address.ts';
import type { ForwardedForRules } from './client-address.ts';
import { corsAnswer } from './cors.ts';
import { formFields, queryFields } from './form-fields.ts';
import type { CorsRules } from './cors.ts';
import { DEFAULT_JSON_LIMITS, parseJsonBody } from './json-body.ts';
import type { JsonLimits } from './json-body.ts';
import { STAND_INS } from './method-rewriter.ts';
import { IncomingBody, drain } from './incoming-body.ts';
import { readBody } from './read-body.ts';
import { headerText, saysWhere, tokenOf, whereOf, withoutToken, wrapTtlOf } from './request-headers.ts';
import { parseTarget } from './request-path.ts';
import type { ResponseHeaders } from './response-headers.ts';
import { dropStream, sendStream } from './send-stream.ts';
import type { ParsedTarget } from './request-path.ts';

/** Limits and habits of one listener. */
export interface HandlerOptions {
  readonly bodyBytesMax: number;
  readonly jsonLimits?: JsonLimits;
  /** Milliseconds for a body to arrive; 0 for as long as it takes. */
  readonly bodyTimeoutMs: number;
  /** Milliseconds until a request is given up. */
  readonly requestDurationMsMax: number;
  readonly forwardedFor?: ForwardedForRules;
  /** Sent with the answers. */
  readonly responseHeaders?: ResponseHeaders;
  /** Endpoints without a token that this listener opens. */
  readonly opens?: NonNullable<Connection['opens']>;
}

export interface HandlerDeps {
  readonly pipeline: Pipeline;
  readonly namespaces: Namespaces;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Shared by all listeners of a node. */
  readonly bodies?: BodyBudget;
  /** Undefined: web pages of other origins get no word, as while CORS is off. */
  readonly cors?: CorsRules;
}

/** Operations that have a body. */
const WRITES: ReadonlySet<Operation> = new Set<Operation>(['create', 'update', 'patch']);
/** Sent with every answer, as Vault does; browsers heed it over TLS only. */
const STRICT_TRANSPORT = { name: 'strict-transport-security', value: 'max-age=31536000; includeSubDomains' };

const EMPTY = Object.freeze(Object.create(null) as Record<string, unknown>);

/** Answers `/v1/…`: HTTP to Request, Rendered to HTTP. */
export class RequestHandler {
  readonly #deps: HandlerDeps;
  readonly #options: HandlerOptions;
  readonly #bodies: BodyBudget;
  /** Requests whose bodies are taken in as they come. */
  readonly #streaming = new WeakSet<IncomingMessage>();

  constructor(deps: HandlerDeps, options: HandlerOptions) {
    this.#deps = deps;
    this.#bodies = deps.bodies ?? new BodyBudget();
    this.#options = options;
  }

  /** Never throws and never rejects, but for broken invariants. */
  handle(message: IncomingMessage, response: ServerResponse): void {
    const { origin } = message.headers;
    if (this.#deps.cors && origin) this.#handleFromPage(message, response, this.#deps.cors, origin);
    else this.#serve(message, response);
  }

  #handleFromPage(message: IncomingMessage, response: ServerResponse, cors: CorsRules, origin: string): void {
    const judge = async (): Promise<Rendered | undefined> => {
      const judged = await cors.judge(origin);
      if (judged === undefined) return undefined;
      const requested = headerText(message.headers['access-control-request-method']);
      const { headers, preflight } = corsAnswer(judged, origin, message.method ?? '', requested);
      for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
      return preflight ? { status: 200, headers: { 'cache-control': 'no-store' }, body: undefined } : undefined;
    };
    judge().then(
      (rendered) => {
        if (rendered) this.#send(message, response, rendered);
        else this.#serve(message, response);
      },
      (error: unknown) => this.#send(message, response, this.#refused(error)),
    );
  }

  #serve(message: IncomingMessage, response: ServerResponse): void {
    let done: MaybePromise<Rendered>;
    try {
      done = this.#answer(message, response);
    } catch (error) {
      this.#send(message, response, this.#refused(error));
      return;
    }
    if (!isPromise(done)) this.#send(message, response, done);
    else {
      done.then(
        (rendered) => this.#send(message, response, rendered),
        (error: unknown) => this.#send(message, response, this.#refused(error)),
      );
    }
  }

  #refused(error: unknown): Rendered {
    if (error instanceof AssertionFailure) throw error;
    const told = error instanceof RequestError ? error : new RequestError('internal', undefined, { cause: error });
    if (told.status >= 500 && told.code !== 'standby')
      this.#deps.log.error('a request failed before it was understood', { cause: told.cause });
    return renderFailure(told);
  }

  #answer(message: IncomingMessage, response: ServerResponse): MaybePromise<Rendered> {
    const target = parseTarget(message.url ?? '');
    if (target.redirect !== undefined) return { status: 307, headers: { location: target.redirect }, body: undefined };
    const operation = operationOf(message.method ?? '', target);
    if (!WRITES.has(operation)) {
      return this.#run(message, response, target, operation, undefined);
    }
    const streamed = this.#takesStream(message, target);
    if (streamed) {
      this.#streaming.add(message);
      return this.#run(message, response, target, operation, undefined, new IncomingBody(message, this.#deps.clock));
    }
    const share = this.#bodies.share(response);
    return readBody(message, this.#options, this.#deps.clock, share).then((body) =>
      this.#run(message, response, target, operation, body),
    );
  }

  #takesStream({ headers }: IncomingMessage, { path }: ParsedTarget): boolean {
    const located = this.#deps.namespaces.resolve(headerText(headers['x-vault-namespace']) ?? '', path);
    return located !== undefined && this.#deps.pipeline.takesStream(located.namespace, located.path);
  }

  #run(
    message: IncomingMessage,
    response: ServerResponse,
    target: ParsedTarget,
    operation: Operation,
    body: Uint8Array | undefined,
    bodyStream?: IncomingBody,
  ): MaybePromise<Rendered> {
    const { headers } = message;
    const { clock, random, namespaces, pipeline } = this.#deps;
    // A list is of a folder, whose path ends with a slash: policies are written for that.
    const isList = operation === 'list' || operation === 'scan';
    const path = isList && target.path !== '' && !target.path.endsWith('/') ? `${target.path}/` : target.path;
    const located = namespaces.resolve(headerText(headers['x-vault-namespace']) ?? '', path);
    if (!located) throw new RequestError('no-route', `no handler for route "${target.path}". route entry not found.`);
    const token = tokenOf(headers);
    const wrapTtl = headerText(headers['x-vault-wrap-ttl']);
    const inconsistent = headers['x-vault-inconsistent'];
    const request: Request = {
      id: random.uuid(),
      operation,
      namespace: located.namespace,
      path: located.path,
      data: this.#dataOf(message, target, body),
      headers: withoutToken(headers),
      connection: this.#connectionOf(message),
      deadlineMs: clock.monotonicMs() + this.#options.requestDurationMsMax,
      // Reads end soon by themselves; what writes, or makes the active node write, is cancelled there, too.
      signal:
        body === undefined && bodyStream === undefined && operation !== 'delete' && wrapTtl === undefined
          ? NEVER_ABORTED
          : abortedWith(response),
      noForwarding: Boolean(headers['x-vault-no-request-forwarding']),
      allowStale: inconsistent === 'allow-stale',
      ...(token === undefined ? {} : { token: new Secret(token) }),
      ...(wrapTtl === undefined || wrapTtl === '' ? {} : wrapTtlOf(wrapTtl)),
      ...(headerText(headers['x-vault-wrap-format'])?.toLowerCase() === 'jwt' ? { wrapFormat: 'jwt' as const } : {}),
      ...(body === undefined ? {} : { rawBody: body }),
      ...(saysWhere(headers) ? whereOf(headers) : {}),
      ...(bodyStream === undefined ? {} : { bodyStream }),
    };
    return pipeline.handle(request);
  }

  #dataOf(message: IncomingMessage, target: ParsedTarget, body: Uint8Array | undefined): Record<string, unknown> {
    if (body === undefined) return target.query ? queryFields(target.query) : EMPTY;
    const type = message.headers['content-type'];
    if (message.method === 'PATCH' && !type?.startsWith('application/merge-patch+json')) {
      if (type === undefined || type === '') throw badRequest('PATCH requires a content type');
      throw new RequestError(
        'unsupported-media-type',
        `PATCH requires Content-Type of application/merge-patch+json, provided ${type}`,
      );
    }
    if (body.length === 0) return EMPTY;
    if (type !== undefined && type.startsWith('application/x-www-form-urlencoded') && !looksLikeJson(body)) {
      return formFields(body);
    }
    return parseJsonBody(body, this.#options.jsonLimits ?? DEFAULT_JSON_LIMITS);
  }

  #connectionOf(message: IncomingMessage): Connection {
    const { socket } = message;
    const decision = clientAddress(
      socket.remoteAddress ?? '',
      message.headers['x-forwarded-for'],
      this.#options.forwardedFor,
    );
    if ('refuse' in decision) throw badRequest(decision.refuse);
    const { opens } = this.#options;
    const remote = {
      remoteAddress: decision.address,
      remotePort: socket.remotePort ?? 0,
      ...(opens === undefined ? undefined : { opens }),
    };
    return 'encrypted' in socket ? { ...remote, clientCertificates: certificatesOf(socket as TLSSocket) } : remote;
  }

  #send(message: IncomingMessage, response: ServerResponse, rendered: Rendered): void {
    const { body, status } = rendered;
    const stream = isStreamed(body) ? body : undefined;
    if (response.headersSent || response.destroyed) {
      if (stream) dropStream(stream, this.#deps.log);
      return;
    }
    const length =
      body === undefined || isStreamed(body) ? 0 : typeof body === 'string' ? Buffer.byteLength(body) : body.length;
    const headers: string[] = [];
    const own = this.#options.responseHeaders?.of(status);
    if (!own?.has(STRICT_TRANSPORT.name)) headers.push(STRICT_TRANSPORT.name, STRICT_TRANSPORT.value);
    const namespace = message.headers['x-vault-namespace'];
    if (typeof namespace === 'string' && namespace !== '') headers.push('x-vault-namespace', namespace);
    for (const name in rendered.headers)
      if (!own?.has(name.toLowerCase())) headers.push(name, rendered.headers[name] as string);
    if (own) for (const [name, value] of own) headers.push(name, value);
    if (status !== 204 && !stream) headers.push('content-length', String(length));
    // What is left of a body that nobody read would be taken for the next request, or never come.
    if (!message.complete && announcesBody(message)) {
      if (this.#streaming.has(message)) response.once('finish', () => drain(message, this.#deps.clock));
      else headers.push('connection', 'close');
    }
    try {
      response.writeHead(status, headers);
    } catch (cause) {
      // Thrown on, it would end the process.
      this.#deps.log.error('an answer has headers that cannot be sent', { cause });
      if (stream) dropStream(stream, this.#deps.log);
      response.writeHead(500, { connection: 'close', 'content-length': '0' }).end();
      return;
    }
    if (stream) sendStream(response, stream, this.#deps.log);
    else if (body === undefined || message.method === 'HEAD') response.end();
    else response.end(body as string | Uint8Array);
  }
}

const NO_REQUEST = { id: '', operation: 'read' } as Request;

/** A refusal before there was a request. */
function renderFailure(error: RequestError): Rendered {
  return render(NO_REQUEST, { kind: 'failed', error });
}

function operationOf(method: string, target: ParsedTarget): Operation {
  if (target.query?.get('help')) return 'help';
  switch (STAND_INS.get(method) ?? method) {
    case 'GET':
      return readOf(target.query);
    case 'HEAD':
      return target.path === 'sys/health' ? 'read' : 'head';
    case 'POST':
    case 'PUT':
      return 'update';
    case 'PATCH':
      return 'patch';
    case 'DELETE':
      return 'delete';
    case 'LIST':
      return 'list';
    case 'SCAN':
      return 'scan';
    case 'OPTIONS':
      throw badRequest('cannot handle internal-only request operation');
    default:
      throw new RequestError('unsupported-operation', `unsupported method: ${method}`);
  }
}

function readOf(query: URLSearchParams | undefined): Operation {
  if (query === undefined) return 'read';
  const list = isTrue(query.get('list'), 'list');
  const scan = isTrue(query.get('scan'), 'scan');
  if (list && scan) throw badRequest('a request cannot both list and scan');
  if (list) return 'list';
  return scan ? 'scan' : 'read';
}

/** Spellings that Vault, written in Go, takes; Python's clients send `True`. */
const TRUE = new Set(['true', 'True', 'TRUE', 't', 'T', '1']);
const FALSE = new Set(['false', 'False', 'FALSE', 'f', 'F', '0', '']);

/** @throws RequestError for a text that is no boolean */
function isTrue(text: string | null | undefined, name: string): boolean {
  if (text === null || text === undefined || FALSE.has(text)) return false;
  if (TRUE.has(text)) return true;
  throw badRequest(`query parameter "${name}" must be true or false`);
}

function announcesBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';
}

function looksLikeJson(body: Uint8Array): boolean {
  return body[0] === 0x7b || body[0] === 0x5b || body[0] === 0x20 || body[0] === 0x0a;
}

function certificatesOf(socket: TLSSocket): readonly Uint8Array[] {
  const chain: Uint8Array[] = [];
  let certificate = socket.getPeerCertificate(true);
  while (certificate?.raw) {
    chain.push(certificate.raw);
    if (!certificate.issuerCertificate || certificate.issuerCertificate === certificate) break;
    certificate = certificate.issuerCertificate;
  }
  return chain;
}

/** A signal that ends with the client's connection. */
function abortedWith(response: ServerResponse): AbortSignal {
  const controller = new AbortController();
  response.once('close', () => {
    if (!response.writableFinished) controller.abort(new Error('the client went away'));
  });
  return controller.signal;
}
