import { Secret } from '@coffer/kernel';
import { isStreamed } from '@coffer/sdk';
import type { BodyStream, Request } from '@coffer/sdk';
import type { Rendered } from '@coffer/core-pipeline';
import { NO_JSON_LIMITS, parseJsonBody } from './json-body.ts';

/*
 * Requests and answers between nodes: header length (u32, big endian) ‖ header (JSON) ‖ body. The body of a request is its
 * own body where it is JSON, so that it is parsed once, over there; that of an answer is what the client gets.
 */

interface RequestHeader {
  readonly request: Omit<Request, 'token' | 'data' | 'signal' | 'deadlineMs' | 'rawBody' | 'bodyStream' | 'connection'>;
  readonly token?: string;
  readonly connection: Omit<Request['connection'], 'clientCertificates'>;
  /** Base64 of DER. */
  readonly certificates?: readonly string[];
  /** Milliseconds that are left. */
  readonly remainingMs: number;
  /** Whether the body is the data in JSON; else it is the raw body, and `data` is here. */
  readonly dataInBody: boolean;
  readonly data?: Request['data'];
  /** Where the body is to be fetched that was not sent along. */
  readonly stream?: StreamPlace;
}

interface AnswerHeader {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly hasBody: boolean;
  readonly stream?: StreamPlace;
}

/** Where the other node finds a body that comes piece by piece; what it means is the caller's. */
export type StreamPlace = Readonly<Record<string, unknown>>;

/** Offers a body to the node that is written to, and fetches one that it offers. */
export interface StreamExchange {
  offer(body: AsyncIterable<Uint8Array>): StreamPlace;
  fetch(place: StreamPlace): BodyStream;
}

function frame(header: unknown, body: Uint8Array | string | undefined): Uint8Array {
  const head = Buffer.from(JSON.stringify(header));
  const tail = body === undefined ? Buffer.alloc(0) : Buffer.from(body as Uint8Array);
  const whole = Buffer.allocUnsafe(4 + head.length + tail.length);
  whole.writeUInt32BE(head.length, 0);
  head.copy(whole, 4);
  tail.copy(whole, 4 + head.length);
  return whole;
}

/** @throws Error for bytes that are no frame (another version, a broken peer) */
function unframe(bytes: Uint8Array): { readonly header: unknown; readonly body: Uint8Array } {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = buffer.length >= 4 ? buffer.readUInt32BE(0) : Number.POSITIVE_INFINITY;
  if (4 + length > buffer.length) throw new Error('a forwarded message is cut short');
  return { header: parseHeader(buffer.toString('utf8', 4, 4 + length)), body: buffer.subarray(4 + length) };
}

/** The parser's own message would quote the header, in which there may be a token. */
function parseHeader(text: string): object {
  let header: unknown;
  try {
    header = JSON.parse(text);
  } catch {
    throw new Error('a forwarded message has a malformed header');
  }
  if (typeof header !== 'object' || header === null) throw new Error('a forwarded message has a malformed header');
  return header;
}

/** @param nowMs monotonic milliseconds */
export function encodeRequest(request: Request, nowMs: number, streams?: StreamExchange): Uint8Array {
  const { token, data, signal, deadlineMs, rawBody, bodyStream, connection, ...rest } = request;
  void signal;
  const { clientCertificates, ...remote } = connection;
  const form =
    typeof request.headers['content-type'] === 'string' &&
    request.headers['content-type'].startsWith('application/x-www-form');
  const dataInBody = rawBody !== undefined && rawBody.length > 0 && !form;
  const header: RequestHeader = {
    request: rest,
    connection: remote,
    remainingMs: Math.max(0, deadlineMs - nowMs),
    dataInBody,
    ...(token ? { token: token.reveal() } : {}),
    ...(clientCertificates
      ? { certificates: clientCertificates.map((der) => Buffer.from(der).toString('base64')) }
      : {}),
    ...(dataInBody ? {} : { data }),
    ...(bodyStream && streams ? { stream: streams.offer(bodyStream) } : {}),
  };
  return frame(header, rawBody);
}

/** @throws RequestError, Error */
export function decodeRequest(
  bytes: Uint8Array,
  nowMs: number,
  signal: AbortSignal,
  streams?: StreamExchange,
): Request {
  const { header, body } = unframe(bytes);
  // A peer of this cluster wrote it: mutual TLS vouches for the form.
  const { request, token, connection, certificates, remainingMs, dataInBody, data, stream } = header as RequestHeader;
  return {
    ...request,
    // The limits are the listener's that took it in, and were checked there.
    data: dataInBody
      ? parseJsonBody(body, NO_JSON_LIMITS)
      : Object.assign(Object.create(null) as Record<string, unknown>, data),
    connection: certificates
      ? { ...connection, clientCertificates: certificates.map((text) => new Uint8Array(Buffer.from(text, 'base64'))) }
      : connection,
    deadlineMs: nowMs + remainingMs,
    signal,
    ...(stream && streams ? { bodyStream: streams.fetch(stream) } : { rawBody: body }),
    // It has come to the right place: it is answered here or refused.
    noForwarding: true,
    ...(token === undefined ? {} : { token: new Secret(token) }),
  };
}

export function encodeAnswer(rendered: Rendered, streams?: StreamExchange): Uint8Array {
  const { body } = rendered;
  const stream = isStreamed(body) ? body : undefined;
  const header: AnswerHeader = {
    status: rendered.status,
    headers: rendered.headers,
    hasBody: body !== undefined,
    ...(stream && streams ? { stream: streams.offer(stream) } : {}),
  };
  return frame(header, stream ? undefined : (body as string | Uint8Array | undefined));
}

/** @throws Error */
export function decodeAnswer(bytes: Uint8Array, streams?: StreamExchange): Rendered {
  const { header, body } = unframe(bytes);
  const { status, headers, hasBody, stream } = header as AnswerHeader;
  if (stream && streams) return { status, headers, body: streams.fetch(stream) };
  return { status, headers, body: hasBody ? body : undefined };
}
