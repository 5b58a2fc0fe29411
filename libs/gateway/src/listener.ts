import { createServer as createHttpServer } from 'node:http';
import type { Server, ServerResponse } from 'node:http';
import { Server as HttpsServer, createServer as createHttpsServer } from 'node:https';
import type { ServerOptions } from 'node:https';
import type { Server as NetServer, Socket } from 'node:net';
import { LONGEST_TIMER_MS } from '@coffer/kernel';
import { MethodRewriter } from './method-rewriter.ts';
import { OpenConnections } from './open-connections.ts';
import type { Serve } from './open-connections.ts';
import { ProxyFront } from './proxy-front.ts';
import type { ProxyProtocolRules } from './proxy-front.ts';
import type { RequestHandler } from './request-handler.ts';
import type { ResponseHeaders } from './response-headers.ts';

/** Where and how a listener listens. */
export interface ListenerOptions {
  readonly host: string;
  readonly port: number;
  /** Undefined: plain HTTP. */
  readonly tls?: ServerOptions;
  /** Reads the certificates again, for SIGHUP. */
  readonly reloadTls?: () => ServerOptions;
  /** Milliseconds for the head of a request to arrive, and for a TLS handshake. */
  readonly headerTimeoutMs: number;
  /** Milliseconds from a request's head to the end of its answer; 0 for as long as it takes. */
  readonly writeTimeoutMs: number;
  /** Milliseconds that a connection may rest between two requests. */
  readonly idleTimeoutMs: number;
  /** Added to what the fallback answers; the handler adds its own. */
  readonly responseHeaders?: ResponseHeaders;
  /** Undefined: connections are taken as they come. */
  readonly proxyProtocol?: ProxyProtocolRules;
}

/** How often connections are looked at for timeouts, in milliseconds. */
const CHECK_MS = 1000;

/** One address on which the API is served. */
export class Listener {
  readonly #server: Server;
  readonly #options: ListenerOptions;
  /** What accepts: the server itself, or what reads PROXY headers before it. */
  readonly #acceptor: NetServer;
  readonly #sockets = new Set<Socket>();
  readonly #connections = new OpenConnections();

  /** @param fallback answers what is not below `/v1/` (UI, documentation) */
  constructor(handler: RequestHandler, fallback: Serve, options: ListenerOptions) {
    this.#options = options;
    const serve = this.#connections.inOrder((message, response) => {
      if (options.writeTimeoutMs > 0) endAfter(response, options.writeTimeoutMs);
      if (message.url?.startsWith('/v1/')) handler.handle(message, response);
      else {
        options.responseHeaders?.addTo(response);
        fallback(message, response);
      }
    });
    const limits = {
      headersTimeout: options.headerTimeoutMs,
      keepAliveTimeout: options.idleTimeoutMs,
      maxHeaderSize: 64 * 1024,
      // The body has a time limit of its own (HandlerOptions): an upload that is streamed may take longer.
      requestTimeout: 0,
      connectionsCheckingInterval: CHECK_MS,
    };
    this.#server = options.tls
      ? createHttpsServer({ ...limits, handshakeTimeout: options.headerTimeoutMs, ...options.tls }, serve)
      : createHttpServer(limits, serve);
    const front = options.proxyProtocol
      ? new ProxyFront(this.#server, options.proxyProtocol, options.headerTimeoutMs)
      : undefined;
    this.#acceptor = front?.server ?? this.#server;
    // Every TCP connection, so that closing ends also those that have not finished a handshake or a PROXY header.
    this.#acceptor.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    this.#server.on(options.tls ? 'secureConnection' : 'connection', (socket: Socket) => {
      MethodRewriter.attach(socket);
      this.#connections.add(socket);
      socket.setNoDelay(true);
      if (options.tls) front?.adopt(socket);
    });
    this.#server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
      // Destroyed behind it: who sends a byte a minute does not close its end either.
      if (socket.writable) socket.end(refusal(error.code), () => socket.destroy());
      else socket.destroy();
    });
  }

  /** The port, once it listens (useful where it was 0). */
  get port(): number {
    const address = this.#acceptor.address();
    return typeof address === 'object' && address ? address.port : 0;
  }

  /** @throws NodeJS.ErrnoException `EADDRINUSE`, … */
  open(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#acceptor.once('error', reject);
      this.#acceptor.listen({ host: this.#options.host, port: this.#options.port, backlog: 1024 }, () => {
        this.#acceptor.off('error', reject);
        resolve();
      });
    });
  }

  /** New certificates for new connections. @throws what reading them throws; the old ones stay then */
  reloadTls(): void {
    const { reloadTls } = this.#options;
    if (reloadTls && this.#server instanceof HttpsServer) this.#server.setSecureContext(reloadTls());
  }

  /**
   * Before `close`: serves on, and tells each client with its next answer to use another connection.
   *
   * @param waitMs how long connections on which nothing is asked are waited for, in milliseconds
   */
  sendAway(waitMs: number): Promise<void> {
    return this.#connections.sendAway(waitMs);
  }

  /** Stops accepting, lets requests under way finish for a while, then ends what is left. */
  close(graceMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        for (const socket of this.#sockets) socket.destroy();
      }, graceMs);
      this.#acceptor.close(() => {
        clearTimeout(timer);
        resolve();
      });
      this.#server.closeIdleConnections();
    });
  }
}

/** A client that reads too slowly loses its connection. */
function endAfter(response: ServerResponse, ms: number): void {
  // A longer one would be over at once.
  const timer = setTimeout(() => response.destroy(), Math.min(ms, LONGEST_TIMER_MS));
  response.once('close', () => clearTimeout(timer));
}

/** What a client gets whose bytes are no HTTP request. */
function refusal(code: string | undefined): string {
  const [status, text] =
    code === 'HPE_HEADER_OVERFLOW'
      ? ['431 Request Header Fields Too Large', 'request header fields too large']
      : code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? ['408 Request Timeout', 'the request took too long to arrive']
        : ['400 Bad Request', 'malformed HTTP request'];
  const body = `{"errors":[${JSON.stringify(text)}]}\n`;
  return `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nCache-Control: no-store\r\nContent-Length: ${String(body.length)}\r\nConnection: close\r\n\r\n${body}`;
}
