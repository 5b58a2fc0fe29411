import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { CancelTimer, Clock, Log } from '@coffer/kernel';
import { StorageError } from '@coffer/storage';
import { Unreachable } from '../remote-store.ts';
import type { TxnRequest, TxnResponse } from './etcd-api.ts';

export interface EtcdConnection {
  /** Client URLs, e.g. `https://10.0.0.1:2379`: the first that answers is used until it does not. */
  readonly addresses: readonly string[];
  readonly username?: string;
  /** Secret. */
  readonly password?: string;
  /** Asked for each new connection: certificates are replaced while nodes run. @throws Error where they cannot be read */
  readonly tls?: () => EtcdTls;
  readonly requestMsMax: number;
}

/** PEM. */
export interface EtcdTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** An answer of the gateway that is none: gRPC's status, by number. */
interface Failure {
  readonly code?: number;
  readonly message?: string;
  readonly error?: string;
}

/** gRPC's status codes that are told apart. */
const INVALID_ARGUMENT = 3;
const RESOURCE_EXHAUSTED = 8;
const UNAUTHENTICATED = 16;
/** Cancelled, unknown, deadline exceeded, out of range (compacted), unavailable: asked again. */
const PASSING: ReadonlySet<number> = new Set([1, 2, 4, 11, 14]);
const SOCKETS_MAX = 64;
const WATCH_AGAIN_MS = 1000;

/** With several addresses a silent one is left before a reader has lost patience, in milliseconds. */
const ATTEMPT_MS_MAX_OF_SEVERAL = 2000;

/** The request never left this machine. */
class NotSent extends Unreachable {}

/** Codes of failures to reach a machine at all. */
const NOT_SENT: ReadonlySet<unknown> = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
]);

/**
 * A client of etcd's JSON gateway, which every etcd serves beside gRPC: no library is needed for the five calls that
 * this program makes.
 */
export class EtcdClient {
  readonly #settings: EtcdConnection;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #plain = new HttpAgent({ keepAlive: true, maxSockets: SOCKETS_MAX });
  readonly #secure: HttpsAgent;
  #tls: EtcdTls = {};
  #at = 0;
  #token: string | undefined;
  #watching: ClientRequest | undefined;
  #cancelWatch: CancelTimer | undefined;
  #closed = false;

  constructor(settings: EtcdConnection, clock: Clock, log: Log) {
    this.#settings = settings;
    this.#clock = clock;
    this.#log = log;
    this.#secure = new EtcdAgent(() => this.#tlsNow());
  }

  #tlsNow(): EtcdTls {
    try {
      this.#tls = this.#settings.tls?.() ?? {};
    } catch (error) {
      this.#log.warn('the TLS files of etcd cannot be read: what was read before still counts', { error });
    }
    return this.#tls;
  }

  /** @throws Unreachable: it may have taken effect; StorageError: it was refused */
  async txn(request: TxnRequest): Promise<TxnResponse> {
    return (await this.#authorized('/v3/kv/txn', request)) as TxnResponse;
  }

  async #authorized(path: string, body: unknown): Promise<unknown> {
    const { username } = this.#settings;
    if (username === undefined) return this.#anywhere(path, body);
    for (let attempt = 0; ; attempt++) {
      this.#token ??= await this.#authenticate(username);
      try {
        return await this.#anywhere(path, body);
      } catch (error) {
        // Tokens end after some minutes.
        if (!(error instanceof TokenEnded) || attempt > 0) throw error;
        this.#token = undefined;
      }
    }
  }

  async #authenticate(name: string): Promise<string> {
    const answer = await this.#anywhere('/v3/auth/authenticate', { name, password: this.#settings.password ?? '' });
    const { token } = answer as { readonly token?: string };
    if (token === undefined) throw new StorageError('disk', 'etcd gave no token for the username of the configuration');
    return token;
  }

  /** Where a request could not even be sent, the next address is tried. */
  async #anywhere(path: string, body: unknown): Promise<unknown> {
    const { addresses } = this.#settings;
    for (let attempt = 1; ; attempt++) {
      if (this.#closed) throw closedError();
      const at = this.#at;
      try {
        return await this.#post(addresses[at % addresses.length] ?? '', path, body);
      } catch (error) {
        if (error instanceof Unreachable && this.#at === at) this.#at++;
        if (!(error instanceof NotSent) || attempt >= addresses.length) throw error;
      }
    }
  }

  #post(address: string, path: string, body: unknown): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const request = this.#open(address, path, (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('end', () => {
          cancel();
          try {
            resolve(answerOf(response.statusCode ?? 0, Buffer.concat(parts).toString()));
          } catch (error) {
            reject(error as Error);
          }
        });
        response.on('error', (cause) => reject(new Unreachable('the answer of etcd was cut off', { cause })));
      });
      const { addresses, requestMsMax } = this.#settings;
      const patienceMs = addresses.length > 1 ? Math.min(requestMsMax, ATTEMPT_MS_MAX_OF_SEVERAL) : requestMsMax;
      const cancel = this.#clock.after(patienceMs, () => {
        request.destroy(new Error('etcd did not answer in time'));
      });
      request.on('error', (cause: NodeJS.ErrnoException) => {
        cancel();
        if (this.#closed) reject(closedError());
        else if (NOT_SENT.has(cause.code))
          reject(new NotSent(`etcd cannot be reached (${String(cause.code)})`, { cause }));
        else reject(new Unreachable(cause.message, { cause }));
      });
      request.end(JSON.stringify(body));
    });
  }

  #open(address: string, path: string, onResponse: (response: IncomingMessage) => void): ClientRequest {
    const url = new URL(path, address);
    const headers = {
      'content-type': 'application/json',
      ...(this.#token === undefined ? {} : { authorization: this.#token }),
    };
    const options = { method: 'POST', headers };
    return url.protocol === 'https:'
      ? httpsRequest(url, { ...options, agent: this.#secure }, onResponse)
      : httpRequest(url, { ...options, agent: this.#plain }, onResponse);
  }

  /** Calls back after each change of a key, and after each time that some may have been missed. */
  watch(key: string, listener: () => void): void {
    if (this.#closed) return;
    const { addresses } = this.#settings;
    const request = this.#open(addresses[this.#at % addresses.length] ?? '', '/v3/watch', (response) => {
      response.on('data', listener);
      response.on('error', () => undefined);
      response.on('close', () => this.#watchAgain(key, listener));
    });
    request.on('error', (error) => {
      this.#log.debug('cannot watch etcd', { error });
      this.#watchAgain(key, listener);
    });
    request.end(JSON.stringify({ create_request: { key } }));
    this.#watching = request;
  }

  #watchAgain(key: string, listener: () => void): void {
    if (this.#closed) return;
    this.#cancelWatch?.();
    this.#cancelWatch = this.#clock.after(WATCH_AGAIN_MS, () => this.watch(key, listener));
  }

  close(): void {
    this.#closed = true;
    this.#cancelWatch?.();
    this.#watching?.destroy();
    this.#plain.destroy();
    this.#secure.destroy();
  }
}

/** Takes the certificates of the moment for each connection, and resumes no session that others began. */
class EtcdAgent extends HttpsAgent {
  readonly #tlsNow: () => EtcdTls;

  constructor(tlsNow: () => EtcdTls) {
    super({ keepAlive: true, maxSockets: SOCKETS_MAX, maxCachedSessions: 0, minVersion: 'TLSv1.2' });
    this.#tlsNow = tlsNow;
  }

  override createConnection(...[options, callback]: Parameters<HttpsAgent['createConnection']>) {
    return super.createConnection({ ...options, ...this.#tlsNow() }, callback);
  }
}

class TokenEnded extends Error {}

/** @throws Unreachable, StorageError, TokenEnded */
function answerOf(status: number, text: string): unknown {
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch (cause) {
    throw new Unreachable(`etcd answered with status ${String(status)} and no JSON`, { cause });
  }
  if (status === 200) return answer;
  const { code = -1, message, error } = answer as Failure;
  const said = message ?? error ?? 'no reason given';
  if (code === UNAUTHENTICATED) throw new TokenEnded(said);
  if (PASSING.has(code)) throw new Unreachable(`etcd: ${said}`);
  // etcd has no codes of its own for these two.
  if (code === INVALID_ARGUMENT && /too large|too many operations/.test(said))
    throw new StorageError('too-large', `etcd refused a request (${said}): see its --max-request-bytes, --max-txn-ops`);
  if (code === RESOURCE_EXHAUSTED && /too many requests/.test(said)) throw new Unreachable(`etcd: ${said}`);
  throw new StorageError('disk', `etcd refused a request (status ${String(code)}): ${said}`);
}

const closedError = (): StorageError => new StorageError('closed', 'the store is closed');
