import { request as httpRequest } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIP } from 'node:net';
import type { LookupFunction } from 'node:net';
import type { Clock } from '@coffer/kernel';
import type { JoinTarget } from '../cluster.ts';
import { JoinError } from './join-error.ts';
import { fieldsOf } from './join-wire.ts';

const TIMEOUT_MS = 10_000;
const RESPONSE_BYTES_MAX = 1024 * 1024;
const REDIRECTS_MAX = 3;
/** How much of an error text of the other side is repeated. */
const ERROR_TEXT_MAX = 300;

/**
 * Posts JSON to a path below `/v1/` of a node's HTTP API and returns `data` of the answer. Follows redirects to the
 * active node, but never from TLS to plain HTTP.
 *
 * @throws JoinError `unreachable`, `busy` (429), `wrong-key` or `stale` (403), `refused`, `malformed`; or the signal's reason
 */
export function postToLeader(
  target: JoinTarget,
  path: string,
  body: Readonly<Record<string, unknown>>,
  means: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<unknown> {
  return ask(target, path, JSON.stringify(body), means);
}

/** As `postToLeader`, but reads. */
export function askNode(
  target: JoinTarget,
  path: string,
  means: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<unknown> {
  return ask(target, path, undefined, means);
}

/** @param body undefined to read */
async function ask(
  target: JoinTarget,
  path: string,
  body: string | undefined,
  means: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<unknown> {
  let url = urlOf(target.leaderApiAddress, path);
  for (let hops = 0; ; hops++) {
    // A redirect leads to another node, at its own address.
    const answer = await send(hops === 0 ? target : withoutAddress(target), url, body, means);
    if (answer.location === undefined) return dataOf(answer.status, answer.text);
    const next = URL.parse(answer.location, url.href);
    const downgrade = url.protocol === 'https:' && next?.protocol !== 'https:';
    if (next === null || downgrade || hops >= REDIRECTS_MAX || !/^https?:$/.test(next.protocol)) {
      throw new JoinError('unreachable', 'the node redirects to an address that is not usable');
    }
    url = next;
  }
}

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly location: string | undefined;
}

function urlOf(apiAddress: string, path: string): URL {
  const base = URL.parse(apiAddress);
  if (base === null || !/^https?:$/.test(base.protocol)) {
    throw new JoinError('unreachable', 'a leader’s API address is like https://10.0.0.1:8200');
  }
  return new URL(`/v1/${path}`, base);
}

function withoutAddress(target: JoinTarget): JoinTarget {
  const { address, ...rest } = target;
  return address === undefined ? target : rest;
}

function send(
  target: JoinTarget,
  url: URL,
  body: string | undefined,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, {
      method: body === undefined ? 'GET' : 'POST',
      agent: false,
      signal,
      headers: {
        ...(body === undefined
          ? {}
          : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
        'x-vault-request': 'true',
      },
      ...(target.address === undefined ? {} : { lookup: always(target.address) }),
      ...(target.caCertificate === undefined ? {} : { ca: target.caCertificate }),
      ...(target.clientCertificate === undefined ? {} : { cert: target.clientCertificate }),
      ...(target.clientKey === undefined ? {} : { key: target.clientKey }),
      ...(target.tlsServerName === undefined ? {} : { servername: target.tlsServerName }),
    });
    const cancelTimeout = clock.after(TIMEOUT_MS, () => request.destroy(new Error('no answer in time')));
    const fail = (error: Error): void => {
      cancelTimeout();
      if (signal.aborted) reject(signal.reason as Error);
      else if (error instanceof JoinError) reject(error);
      else reject(new JoinError('unreachable', `cannot reach the node: ${reasonOf(error)}`, { cause: error }));
    };
    request.on('error', fail);
    request.on('response', (response) => {
      read(response).then((answer) => {
        cancelTimeout();
        resolve(answer);
      }, fail);
    });
    request.end(body);
  });
}

/** A resolver that knows one address. */
function always(address: string): LookupFunction {
  const family = isIP(address);
  return (_hostname, options, found) => {
    if (options.all === true) found(null, [{ address, family }]);
    else found(null, address, family);
  };
}

async function read(response: IncomingMessage): Promise<Answer> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of response as AsyncIterable<Buffer>) {
    length += piece.length;
    if (length > RESPONSE_BYTES_MAX) throw new JoinError('malformed', 'the answer of the node is too long');
    pieces.push(piece);
  }
  const status = response.statusCode ?? 0;
  const redirected = status === 307 || status === 308;
  return {
    status,
    text: Buffer.concat(pieces).toString('utf8'),
    location: redirected ? (response.headers.location ?? '') : undefined,
  };
}

/** A code like ECONNREFUSED says more than an empty message, and both are free of data. */
function reasonOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message;
}

function dataOf(status: number, text: string): unknown {
  let parsed: unknown;
  try {
    parsed = text === '' ? {} : JSON.parse(text);
  } catch (cause) {
    // A proxy's error page, say.
    throw new JoinError(status >= 500 ? 'unreachable' : 'malformed', `status ${String(status)} without JSON`, {
      cause,
    });
  }
  if (status === 200) return fieldsOf(parsed, 'answer').get('data');
  const errors = fieldsOf(parsed, 'answer').get('errors');
  const reason = Array.isArray(errors) ? errors.filter((error) => typeof error === 'string').join('; ') : '';
  const message = `the node answered ${String(status)}${reason === '' ? '' : `: ${reason.slice(0, ERROR_TEXT_MAX)}`}`;
  if (status === 429) throw new JoinError('busy', message);
  if (status === 403) throw new JoinError('stale', message);
  if (status === 502 || status === 503 || status === 504) throw new JoinError('unreachable', message);
  throw new JoinError('refused', message);
}
